'use strict'

// Express in the versions that a router differs in, and a way to ask a service.

const http = require('node:http')

/**
 * Express 5, Express 5 with the router of before 5.3, and Express 4, each with a way to make its router look that way.
 * Before 5.3 a layer kept no path, only functions that match; the rest of the layer is the same.
 */
const versions = [
  { name: 'Express 5', express: require('express'), wildcard: '/*rest', ready: () => {} },
  { name: 'Express 5 before 5.3', express: require('express'), wildcard: '/*rest', ready: (app) => forgetPaths(app.router) },
  { name: 'Express 4', express: require('express4'), wildcard: '*', ready: () => {} }
]

function forgetPaths (router) {
  for (const layer of router.stack) {
    if (layer.rawPath !== undefined && layer.route === undefined) layer.rawPath = undefined
    const inner = layer.handle.stack ?? layer.handle.router?.stack
    if (inner !== undefined) forgetPaths({ stack: inner })
  }
}

/** Serves `app` on a free port of the loopback until the test ends. */
async function serve (t, app) {
  const server = http.createServer(app)
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address()

  /** @returns {Promise<{ status: number, headers: object, text: string, json: () => any }>} */
  const ask = (path, { method = 'GET', headers, body } = {}) => new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => { text += chunk })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) }))
    })
    request.on('error', reject)
    request.end(body)
  })
  return { ask, port, server }
}

module.exports = { serve, versions }
