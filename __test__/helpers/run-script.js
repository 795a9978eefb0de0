'use strict'

// Runs a script in a process of its own, with a time limit, and says how it ended.
// For whatever ends its process, changes its user, or must start from a fresh one.

const { spawn } = require('node:child_process')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')

/**
 * @param {string} source a script, in which `offheap` is this package, `root` its folder, and `send` reports a message
 * @param {{ flags?: string[], args?: string[], cwd?: string, timeoutMs?: number, onMessage?: (message: any, child: import('node:child_process').ChildProcess) => void }} [options]
 * @returns {Promise<{ code: number | null, signal: string | null, stderr: string, messages: any[] }>}
 */
function runScript (source, { flags = [], args = [], cwd = root, timeoutMs = 240_000, onMessage = () => {} } = {}) {
  // A channel that is listened to keeps a process alive; this one does not, so a script ends when its work does.
  // It also ends when its test is ended from outside.
  const prelude = `const root = ${JSON.stringify(root)}; const offheap = require(root); const send = (message) => new Promise((resolve) => process.send(message, resolve)); process.on('disconnect', () => process.exit(99)); process.channel.unref();`
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--expose-gc', ...flags, '-e', `${prelude}\n${source}`, ...args], {
      cwd,
      stdio: ['ignore', 'inherit', 'pipe', 'ipc']
    })
    const messages = []
    let stderr = ''
    child.on('message', (message) => {
      messages.push(message)
      onMessage(message, child)
    })
    child.stderr.setEncoding('utf8').on('data', (text) => { stderr += text })
    const limit = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(limit)
      resolve({ code, signal, stderr, messages })
    })
  })
}

module.exports = { runScript }
