'use strict'

/**
 * The class name of an object, as in DevTools. Runs no code of the application.
 * @param {object} object
 */
function className (object) {
  for (let prototype = Object.getPrototypeOf(object); prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    const constructor = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value
    if (typeof constructor !== 'function') continue
    const name = Object.getOwnPropertyDescriptor(constructor, 'name')?.value
    if (typeof name === 'string' && name !== '') return name.slice(0, 256)
  }
  return 'Object'
}

/** The same for many objects: reads each prototype once. */
function classNames () {
  const known = new Map()
  return (object) => {
    const prototype = Object.getPrototypeOf(object)
    let name = known.get(prototype)
    if (name === undefined) known.set(prototype, name = className(object))
    return name
  }
}

module.exports = { className, classNames }
