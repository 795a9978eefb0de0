import type { IncomingMessage, ServerResponse } from 'node:http'

declare namespace offheapExpress {
  interface ExpressOptions {
    /**
     * Where the reading is served, to GET and HEAD: exactly this path, below the one that the middleware is mounted on
     * (default: nowhere). It starts with `/`. Without `authorize`, **everybody who reaches the service may read it**.
     */
    path?: string
    /**
     * Whether this request may have the reading (default: any may). Only `true`, returned or resolved to, is yes. A refused
     * request goes on to the application, which knows no such path. What it throws or rejects with is a no, and a process
     * warning, once.
     */
    authorize? (req: IncomingMessage): boolean | Promise<boolean>
    /**
     * Count what is tracked under the route of the request (default: `true`). It uses AsyncLocalStorage, which slows down all
     * promises of the process on Node 20 and 22; `false` leaves it out. docs/express.md has the figures.
     */
    routes?: boolean
  }

  /** A middleware of Express 4 and 5. */
  type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void
}

/**
 * Makes the Express middleware: it serves `reading()` as JSON, and counts whatever is tracked while a request is served, in
 * any function it awaits, under the template of its route: `GET /users/:id/orders`, never the URL.
 *
 * Put it first. Twice is as good as once. No failure of it breaks a request. A reading costs 0.1 to 0.3 ms; no
 * pause, no garbage collection.
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` for wrong options, misspelt names included
 * @example
 * const express = require('express')
 * const { track } = require('offheap')
 *
 * const app = express()
 * app.use(require('offheap/express')({
 *   path: '/debug/memory',
 *   authorize: (req) => req.headers.authorization === `Bearer ${process.env.DEBUG_TOKEN}`
 * }))
 * app.get('/thumbnails/:id', (req, res) => {
 *   res.send(track(Buffer.alloc(4096), { label: 'thumbnail' }))
 * })
 * app.listen(3000)
 */
declare function offheapExpress (options?: offheapExpress.ExpressOptions): offheapExpress.Middleware

export = offheapExpress
