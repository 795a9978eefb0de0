'use strict'

const path = require('node:path')

// The platform suffix that napi-rs, sharp and others give to the packages with their binaries.
const PLATFORM = /-(?:linux|linuxmusl|darwin|win32|freebsd|android)-(?:x64|arm64|ia32|arm|riscv64|s390x|ppc64)(?:-(?:gnu|musl|msvc|gnueabihf|glibc))?$/

// Cached: there are few files, and every sample needs their names.
const names = new Map()

/** The name of an addon: the package that contains its file, without the platform. Without a package: the name of the file. */
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

/** Whether a row is of the addon with this name: `'@img/sharp'`, `'sharp'`, or the name of its file. */
function isAddon (row, name) {
  return row.name === name || row.name.slice(row.name.indexOf('/') + 1) === name || path.basename(row.file) === name
}

module.exports = { addonName, isAddon }
