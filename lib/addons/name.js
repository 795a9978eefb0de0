'use strict'

const path = require('node:path')

// What napi-rs, sharp and others append to the packages that carry their binaries.
const PLATFORM = /-(?:linux|linuxmusl|darwin|win32|freebsd|android)-(?:x64|arm64|ia32|arm|riscv64|s390x|ppc64)(?:-(?:gnu|musl|msvc|gnueabihf|glibc))?$/

// Files are few, and asked about again and again.
const names = new Map()

/** What people call an addon: the package that its file is in, without the platform; or the file's name. */
function addonName (file) {
  let name = names.get(file)
  if (name === undefined) names.set(file, name = nameOf(file))
  return name
}

function nameOf (file) {
  const parts = file.split(/[/\\]/)
  const place = parts.lastIndexOf('node_modules')
  const [first, second] = parts.slice(place + 1)
  if (place === -1 || second === undefined) return path.basename(file) || '(unknown)'
  const name = first.startsWith('@') ? `${first}/${second}` : first
  return name.replace(PLATFORM, '')
}

/** Whether a row is of the addon that somebody names: `'@img/sharp'`, or `'sharp'`, or its file's name. */
function isAddon (row, name) {
  return row.name === name || row.name.slice(row.name.indexOf('/') + 1) === name || path.basename(row.file) === name
}

module.exports = { addonName, isAddon }
