'use strict'

// What a function threw in the probe's child, rebuilt in this process.

const v8 = require('../base/v8.js')

const classes = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }

/** An error of the same class, with the child's message, stack and properties; or whatever else was thrown. */
function asThrown (bytes) {
  const { error, value } = v8().deserialize(bytes)
  if (error === undefined) return value
  const made = new (classes[error.name] ?? Error)(error.message)
  if (made.name !== error.name) Object.defineProperty(made, 'name', { value: error.name, configurable: true, writable: true })
  made.stack = error.stack
  return Object.assign(made, error.properties)
}

module.exports = { asThrown }
