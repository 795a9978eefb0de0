'use strict'

// Groups equal backing stores, with their number and bytes: a thousand Buffers of one Map are one group.

/**
 * Groups by kind, class, label and route, and by path where there is one.
 * @param {import('./describe.js').Described} described
 * @param {{ paths: Map<number, string | null>, has: (store: number) => boolean, size: (group: Group) => number, limit: number }} options
 *   `paths`: by the number of the ArrayBuffer
 * @returns {Group[]} the `limit` largest, largest first
 *
 * @typedef {{ kind: string, className: string, label: string | null, route: string | null, path?: string | null, count: number, bytes: number, usedBytes: number, wasteBytes: number, viewCount: number }} Group
 */
function groupStores ({ columns, kinds, classes, names, pairs }, { paths, has, size, limit }) {
  const { buffers, bytes, usedBytes, wasteBytes, viewCounts } = columns
  const groups = new Groups()
  for (let store = 0; store < buffers.length; store++) {
    if (!has(store)) continue
    const path = paths.get(buffers[store])
    const group = groups.of([kinds[store], classes[store], names[store], path], () => {
      const [label, route] = pairs[names[store]]
      return { kind: kinds[store], className: classes[store], label, route, ...(path !== undefined && { path }), count: 0, bytes: 0, usedBytes: 0, wasteBytes: 0, viewCount: 0 }
    })
    group.count++
    group.bytes += bytes[store]
    group.usedBytes += usedBytes[store]
    group.wasteBytes += wasteBytes[store]
    group.viewCount += viewCounts[store]
  }
  return groups.largest(size, limit)
}

/** Groups by keys. It uses nested Maps, so that no text is built for each member. */
class Groups {
  #root = new Map()
  #list = []

  of (keys, make) {
    let level = this.#root
    for (let index = 0; index < keys.length - 1; index++) {
      let next = level.get(keys[index])
      if (next === undefined) level.set(keys[index], next = new Map())
      level = next
    }
    const last = keys[keys.length - 1]
    let group = level.get(last)
    if (group === undefined) {
      level.set(last, group = make())
      this.#list.push(group)
    }
    return group
  }

  largest (size, limit) {
    // Groups of equal size are ordered by count and then by name, because V8 lists objects in another order in the child.
    const name = ({ className, label, path }) => `${className} ${label} ${path}`
    const order = (a, b) => size(b) - size(a) || b.count - a.count || (name(a) < name(b) ? -1 : 1)
    return this.#list.sort(order).slice(0, limit)
  }
}

module.exports = { Groups, groupStores }
