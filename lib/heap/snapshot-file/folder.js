'use strict'

// What stands in a folder of snapshots: what is too much, and what dead processes left.

const fs = require('node:fs')
const path = require('node:path')
const binding = require('../../base/load.js')
const { parsePartial, snapshotTime, stem } = require('./names.js')

// A temporary file is left by a dead process when its process is gone and nothing was written to it for a while.
// The wait is there because "gone" is only what this container can see: another one may share the folder, with
// process numbers of its own.
const SILENT_MS = 15 * 60_000
// Process numbers are used again; after so long the file is nobody's, whoever has its number now.
const ABANDONED_MS = 24 * 3_600_000

/**
 * Deletes the oldest snapshots of a folder until the limits hold. Only regular files with our own names; never
 * `newest`, the one that was just written. One that cannot be deleted stays.
 * @returns {Promise<string[]>} the paths that were deleted
 */
async function retain (directory, newest, { maxFiles, maxTotalBytes }) {
  if (maxFiles === undefined && maxTotalBytes === undefined) return []
  // By their common name: a snapshot goes together with its reports, and counts once.
  const snapshots = new Map()
  for (const name of await fs.promises.readdir(directory)) {
    const time = snapshotTime(name)
    if (time === undefined) continue
    const file = path.join(directory, name)
    const stat = await fs.promises.lstat(file).catch(() => undefined)
    // Not the time in its name but being the one just written makes it the newest: clocks are set back.
    if (!stat?.isFile()) continue
    const key = stem(file)
    const snapshot = snapshots.get(key) ?? { key, files: [], size: 0, order: key === stem(newest) ? Infinity : time }
    snapshot.files.push(file)
    snapshot.size += stat.size
    snapshots.set(key, snapshot)
  }
  const oldestFirst = [...snapshots.values()].sort((a, b) => a.order - b.order || (a.key < b.key ? -1 : 1))
  const excess = binding.excessFiles(oldestFirst.map(({ size }) => size), maxFiles, maxTotalBytes)
  const removed = []
  for (const file of oldestFirst.slice(0, excess).flatMap(({ files }) => files.sort())) {
    await fs.promises.unlink(file).then(() => removed.push(file), () => {})
  }
  return removed
}

/** Deletes the temporary files that dead processes left in a folder: those of snapshots, and those of `target`. */
async function sweep (directory, target) {
  for (const name of await fs.promises.readdir(directory)) {
    const partial = parsePartial(name)
    if (partial === undefined || (snapshotTime(partial.target) === undefined && partial.target !== target)) continue
    const file = path.join(directory, name)
    const stat = await fs.promises.lstat(file).catch(() => undefined)
    if (stat?.isFile() && isLeft(partial, Date.now() - stat.mtimeMs)) await fs.promises.unlink(file).catch(() => {})
  }
}

function isLeft ({ pid, token }, silentMs) {
  // Ours are looked after by src/heap/snapshot_file/partial_files.rs.
  if (pid === process.pid && token === binding.processToken()) return false
  if (silentMs < SILENT_MS) return false
  return silentMs >= ABANDONED_MS || pid === process.pid || !isAlive(pid)
}

function isAlive (pid) {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code !== 'ESRCH'
  }
}

/**
 * When snapshots were begun in this folder, by any process, as far as it shows: finished ones and unfinished ones.
 * A service that dies of its snapshot leaves an unfinished one, and must not try again as soon as it is back.
 * @returns {number[]} ms since 1970
 */
function pastSnapshots (directory) {
  let names
  try {
    names = fs.readdirSync(directory)
  } catch {
    return []
  }
  const times = new Map()
  for (const name of names) {
    const target = parsePartial(name)?.target ?? name
    const time = snapshotTime(target)
    if (time !== undefined) times.set(stem(target), time)
  }
  return [...times.values()]
}

module.exports = { pastSnapshots, retain, sweep }
