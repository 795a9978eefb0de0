'use strict'

// Runs a fixture in a Node process of its own, with a time limit; a signal or a hang fails the test.

const { spawn } = require('node:child_process')
const path = require('node:path')

const root = path.join(__dirname, '..', '..', '..')
const fixtures = path.join(__dirname, '..', 'fixtures')

/**
 * @param {string} fixture file name in fixtures/
 * @param {string[]} [args]
 * @param {{ flags?: string[], env?: object, timeoutMs?: number, command?: string[], cwd?: string, ownPipe?: boolean }} [options]
 *   `ownPipe`: it speaks on descriptor 3, because Node itself prints to stdout
 * @returns {Promise<{ code: number | null, signal: string | null, stderr: string, stdout: string, said: any }>}
 *   `said`: the last line of stdout, or all of descriptor 3, as JSON
 */
function runFixture (fixture, args = [], { flags = [], env, timeoutMs = 240_000, command = [], cwd, ownPipe = false } = {}) {
  const [program, ...before] = [...command, process.execPath]
  const child = spawn(program, [...before, ...flags, path.join(fixtures, fixture), ...args], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    cwd,
    stdio: ['ignore', 'pipe', 'pipe', ...(ownPipe ? ['pipe'] : [])]
  })
  return ended(child, timeoutMs)
}

/** What a process left behind; one that hangs is killed, and shows as SIGKILL. */
function ended (child, timeoutMs) {
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => { stdout += text })
    child.stderr.setEncoding('utf8').on('data', (text) => { stderr += text })
    const spoken = child.stdio[3]
    let speech = ''
    spoken?.setEncoding('utf8').on('data', (text) => { speech += text })
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      let said
      try {
        said = JSON.parse(spoken ? speech : stdout.trim().split('\n').pop())
      } catch {}
      resolve({ code, signal, stderr, stdout, said })
    })
  })
}

module.exports = { ended, fixtures, root, runFixture }
