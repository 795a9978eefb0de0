'use strict'

// Compiles all samples in one program.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { ended } = require('./child.js')
const { application, scripts } = require('./samples.js')

// What jest gives to its test files.
const JEST = `
  import 'offheap/jest'
  declare global {
    const expect: typeof import('@jest/globals').expect
    const test: typeof import('@jest/globals').test
  }
`

/**
 * @param {string} compiler tsc
 * @param {{ module: string, moduleResolution: string }} options
 * @returns {Promise<string[]>} the errors, with the place of each in the documentation
 */
async function compileSamples (t, compiler, options) {
  const folder = application(t)
  const all = scripts()
  for (const { file, source } of all) fs.writeFileSync(path.join(folder, file), source)
  fs.writeFileSync(path.join(folder, 'jest-globals.ts'), JEST)
  fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      ...options,
      strict: true,
      noEmit: true,
      allowJs: true,
      checkJs: true,
      esModuleInterop: true,
      skipLibCheck: true,
      moduleDetection: 'force',
      target: 'es2022',
      lib: ['es2023'],
      types: ['node']
    },
    include: ['*']
  }))
  const { stdout } = await ended(spawn(process.execPath, [compiler, '-p', folder, '--pretty', 'false'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }))
  return stdout.split('\n').filter((line) => line !== '').map((line) => all.reduce((text, { file, name }) => text.replace(file, name), line))
}

module.exports = { compileSamples }
