'use strict'

// Cleans a folder of snapshots: removes the oldest snapshots beyond the limits, and temporary files of dead processes.

const fs = require('node:fs')
const path = require('node:path')
const binding = require('../../base/load.js')
const { parsePartial, snapshotTime, stem } = require('./names.js')

// A temporary file is abandoned when its process does not exist and the file was not written to for this long. The wait is necessary
// because this container sees only its own processes. Another container may use the same folder, with process numbers of its own.
const SILENT_MS = 15 * 60_000
// After this long a file is abandoned even if a process has its number, because the system reuses process numbers.
const ABANDONED_MS = 24 * 3_600_000

/**
 * Deletes the oldest snapshots of a folder until the limits hold. Deletes only regular files with offheap's names, and never `newest`, the
 * snapshot that was just written. A file that cannot be deleted stays.
 * @returns {Promise<string[]>} the paths that were deleted
 */
async function retain (directory, newest, { maxFiles, maxTotalBytes }) {
  if (maxFiles === undefined && maxTotalBytes === undefined) return []
  // By their common name: a snapshot and its reports count once, and are deleted together.
  const snapshots = new Map()
  for (const name of await fs.promises.readdir(directory)) {
    const time = snapshotTime(name)
    if (time === undefined) continue
    const file = path.join(directory, name)
    const stat = await fs.promises.lstat(file).catch(() => undefined)
    // `newest` is the newest one whatever the time in its name, because clocks can be set back.
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

/** Deletes temporary files of dead processes in a folder: those of snapshots, and those of `target`. */
async function removeAbandoned (directory, target) {
  for (const name of await fs.promises.readdir(directory)) {
    const partial = parsePartial(name)
    if (partial === undefined || (snapshotTime(partial.target) === undefined && partial.target !== target)) continue
    const file = path.join(directory, name)
    const stat = await fs.promises.lstat(file).catch(() => undefined)
    if (stat?.isFile() && isAbandoned(partial, Date.now() - stat.mtimeMs)) await fs.promises.unlink(file).catch(() => {})
  }
}

function isAbandoned ({ pid, token }, silentMs) {
  // src/heap/snapshot_file/partial_files.rs removes the files of this process.
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
 * When snapshots were begun in this folder, by any process, according to the names of complete and incomplete files. A service that dies of
 * its snapshot leaves an incomplete file. It must not try again directly after its restart.
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

module.exports = { pastSnapshots, removeAbandoned, retain }
