'use strict'

// Run by scripts/test-jest.js, which sets OFFHEAP_JEST_WORKERS to "processes" or "threads".

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  testMatch: ['**/*.test.js'],
  transform: {},
  setupFilesAfterEnv: ['offheap/jest'],
  // One worker for all files, so that each file loads offheap anew where another file has loaded it before.
  maxWorkers: 1,
  // With a limit jest starts a worker; without one it would run the files in its own process.
  workerIdleMemoryLimit: '2GB',
  workerThreads: process.env.OFFHEAP_JEST_WORKERS === 'threads',
  testSequencer: './by-name.js',
  // A forced collection of jest's heap takes 20 to 50 ms, and a growth test forces some 20 of them.
  testTimeout: 60_000
}
