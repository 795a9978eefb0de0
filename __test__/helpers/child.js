'use strict'

// Runs a script in a Node process of its own: whatever patches, forks or may crash must not take the test process along.

const { spawn } = require('node:child_process')

/**
 * Runs `script` with the Node binary of this process and waits for its end.
 * Rejects, with everything the child printed, when a signal ended it or when it did not end in time.
 * @param {string} script path of a file; or source text, when it contains a line break (`args` then start at argv[1])
 * @param {{ args?: string[], execArgv?: string[], timeoutMs?: number, env?: Record<string, string>, cwd?: string }} [options]
 *   `env` is added to this process's own; `timeoutMs` defaults to four minutes: it is there for
 *   what hangs, and on a busy machine everything takes ten times as long
 * @returns {Promise<{ code: number, signal: null, stdout: string, stderr: string }>}
 */
function runChild (script, { args = [], execArgv = [], timeoutMs = 240_000, env = {}, cwd } = {}) {
  const inline = script.includes('\n')
  // The test runner tells its children by NODE_TEST_CONTEXT to report to it: not meant for this one.
  const { NODE_TEST_CONTEXT, ...inherited } = process.env
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...execArgv, ...(inline ? ['-e', script, '--'] : [script]), ...args], {
      cwd,
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    let stdout = ''
    let stderr = ''
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stdout.setEncoding('utf8').on('data', (text) => { stdout += text })
    child.stderr.setEncoding('utf8').on('data', (text) => { stderr += text })
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      if (timedOut) reject(new Error(`the child did not end within ${timeoutMs} ms${printed(stdout, stderr)}`))
      else if (signal !== null) reject(new Error(`the child was ended by ${signal}${printed(stdout, stderr)}`))
      else resolve({ code, signal, stdout, stderr })
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

function printed (stdout, stderr) {
  return `\n--- its stdout:\n${stdout}\n--- its stderr:\n${stderr}`
}

module.exports = { runChild, runChildForJson }
