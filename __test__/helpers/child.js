'use strict'

// Runs a script in a Node process of its own, with a time limit, and says how it ended: for whatever patches, forks, ends its
// process, changes its user or may crash. Everything here that starts a process and waits for its end goes through `runChild`.

const { spawn } = require('node:child_process')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')

/**
 * Runs `script` with the Node binary of this process and waits for its end. Rejects, with everything the child printed, when it did
 * not end in time, and when a signal ended it, unless `mayBeKilled`.
 * @param {string} script path of a file; or source text, when it contains a line break (`args` then start at argv[1])
 * @param {{
 *   args?: string[], execArgv?: string[], env?: Record<string, string | undefined>, cwd?: string, command?: string[],
 *   timeoutMs?: number, progress?: (pid: number) => unknown, mayBeKilled?: boolean, ownPipe?: boolean,
 *   onMessage?: (message: any, child: import('node:child_process').ChildProcess) => void
 * }} [options]
 *   `env` is added to this process's own; `command` is what starts Node, for example a debugger with its arguments;
 *   `timeoutMs` defaults to four minutes: it is there for what hangs, and on a busy machine everything takes ten times as long;
 *   `progress`: while what it returns changes, the time limit begins anew, so that it ends what hangs and not what is slow;
 *   `ownPipe`: the child speaks on descriptor 3, because Node itself prints to stdout; `onMessage` gives it a channel to this process
 * @returns {Promise<{ code: number | null, signal: string | null, stdout: string, stderr: string, said: any, messages: any[] }>}
 *   `said`: the last line of stdout, or all of descriptor 3, as JSON, undefined where it is none; `messages`: what came by the channel
 */
function runChild (script, { args = [], execArgv = [], env = {}, cwd, command = [], timeoutMs, progress, mayBeKilled, ownPipe = false, onMessage } = {}) {
  const [program, ...before] = [...command, process.execPath]
  // The test runner tells its children by NODE_TEST_CONTEXT to report to it: not meant for this one.
  const { NODE_TEST_CONTEXT, ...inherited } = process.env
  const child = spawn(program, [...before, ...execArgv, ...(script.includes('\n') ? ['-e', script, '--'] : [script]), ...args], {
    cwd,
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(ownPipe ? ['pipe'] : []), ...(onMessage ? ['ipc'] : [])]
  })
  return ended(child, { timeoutMs, progress, mayBeKilled, ownPipe, onMessage })
}

/** What a process left behind at its end: the second half of `runChild`, for what is done with a process while it runs. */
function ended (child, { timeoutMs = 240_000, progress = () => 0, mayBeKilled = false, ownPipe = false, onMessage = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    let speech = ''
    const messages = []
    let timedOut = false
    let seen = progress(child.pid)
    const timer = setTimeout(() => {
      const now = progress(child.pid)
      if (now !== seen) {
        seen = now
        timer.refresh()
        return
      }
      timedOut = true
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stdout.setEncoding('utf8').on('data', (text) => { stdout += text })
    child.stderr.setEncoding('utf8').on('data', (text) => { stderr += text })
    if (ownPipe) child.stdio[3].setEncoding('utf8').on('data', (text) => { speech += text })
    child.on('message', (message) => {
      messages.push(message)
      onMessage(message, child)
    })
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (timedOut) reject(new Error(`the child did not end within ${timeoutMs} ms${printed(stdout, stderr)}`))
      else if (signal !== null && !mayBeKilled) reject(new Error(`the child was ended by ${signal}${printed(stdout, stderr)}`))
      else resolve({ code, signal, stdout, stderr, said: json(ownPipe ? speech : stdout.trim().split('\n').pop()), messages })
    })
  })
}

/** Runs a child that prints one JSON value, and returns the value. Rejects unless the child ended with code 0. */
async function runChildForJson (script, options) {
  const { code, stdout, stderr } = await runChild(script, options)
  if (code !== 0) throw new Error(`the child ended with code ${code}${printed(stdout, stderr)}`)
  try {
    return JSON.parse(stdout)
  } catch (error) {
    throw new Error(`the child printed no JSON${printed(stdout, stderr)}`, { cause: error })
  }
}

/**
 * Runs source text in which `offheap` is this package, `root` its folder, `settledWhen` the waiter of settle.js, and `send` reports a message. A channel that is listened to
 * keeps a process alive; this one does not, so the script ends when its work does, and when its test is ended from outside.
 * @param {string} source
 * @param {Parameters<typeof runChild>[1]} [options]
 */
function runScript (source, { execArgv = [], onMessage = () => {}, ...options } = {}) {
  const prelude = `const root = ${JSON.stringify(root)}; const offheap = require(root); const { settledWhen } = require(root + '/__test__/helpers/settle.js'); const send = (message) => new Promise((resolve) => process.send(message, resolve)); process.on('disconnect', () => process.exit(99)); process.channel.unref();`
  return runChild(`${prelude}\n${source}`, { cwd: root, mayBeKilled: true, ...options, execArgv: ['--expose-gc', ...execArgv], onMessage })
}

function json (text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function printed (stdout, stderr) {
  return `\n--- its stdout:\n${stdout}\n--- its stderr:\n${stderr}`
}

module.exports = { ended, root, runChild, runChildForJson, runScript }
