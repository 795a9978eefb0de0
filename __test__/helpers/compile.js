'use strict'

// Compiles C for tests, once per version of the source.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')

/**
 * @param {string} source a C file
 * @param {string} file where the shared library goes; what is there already is taken as it is
 * @param {string[]} args for the compiler, which `-o` and the source are added to
 * @returns {{ file?: string, skip?: string }} `skip`: why there is none
 */
function compile (source, file, args) {
  if (fs.existsSync(file)) return { file }
  const compiler = ['cc', 'gcc', 'clang'].find((command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0)
  if (compiler === undefined) return { skip: 'needs a C compiler (cc, gcc or clang)' }
  fs.mkdirSync(path.dirname(file), { recursive: true })
  // Test files run at the same time: each compiles into a file of its own and moves it into place.
  const temporary = `${file}.${process.pid}.partial`
  const compiled = spawnSync(compiler, ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-o', temporary, source, ...args, '-lpthread', '-ldl'], { encoding: 'utf8' })
  if (compiled.status !== 0) throw new Error(`${path.basename(source)} does not compile:\n${compiled.stderr}`)
  fs.renameSync(temporary, file)
  return { file }
}

module.exports = { compile }
