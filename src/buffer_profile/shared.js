// Evaluated once per thread, in the main realm (see src/bindings/buffer_profile.rs): what all copies of lib/buffer-pool.js and
// lib/buffer-profile.js on that thread share. Made here, because what is put in the place of Buffer.from outlives the
// jest realm that asked for it.
//
// Knows: the pool's slabs that it has seen, and which allocation is to be sampled.
// Must never know: what a route or a source map is. Tallies and estimates are native (src/buffer_profile/).
// Cannot see: what is allocated by functions that were taken off Buffer before (`const { from } = Buffer`), by native code, or by
// `new Uint8Array(n)`.
(() => function create (Buffer, performance, native) {
  'use strict'

  const { apply, defineProperty, getOwnPropertyDescriptor, ownKeys } = Reflect
  const allocUnsafe = Buffer.allocUnsafe

  // ---- The pool ------------------------------------------------------------------------------------------------

  // The slab that was current when last looked. Weak: held, it would outlive its last slice.
  let currentSlab = new WeakRef({})
  let createdCount = 0
  let liveCount = 0
  let liveBytes = 0

  // The one finalizer per slab.
  const slabs = new FinalizationRegistry((byteLength) => {
    liveCount--
    liveBytes -= byteLength
  })

  /** Counts the slab, if it was not counted yet. Between two looks the pool never goes back to an earlier one. */
  function noticeSlab (slab) {
    if (currentSlab.deref() === slab) return
    currentSlab = new WeakRef(slab)
    const { byteLength } = slab
    slabs.register(slab, byteLength)
    createdCount++
    liveCount++
    liveBytes += byteLength
  }

  /** Cuts the smallest slice there is from the pool, which shows where the pool is. Undefined: the pool is switched off. */
  function probe () {
    const slice = apply(allocUnsafe, Buffer, [1])
    const slab = slice.buffer
    if (slab.byteLength === 1) return undefined
    noticeSlab(slab)
    return slice
  }

  function readPool () {
    const slice = probe()
    return {
      createdCount,
      liveCount,
      liveBytes,
      slabBytes: slice?.buffer.byteLength,
      // The pool hands out multiples of 8.
      usedBytes: slice === undefined ? undefined : slice.byteOffset + 8,
      isTracked: users.size > 0,
      fullSince: users.size > 0 && wrapsPool() ? startedAt : undefined
    }
  }

  // ---- Which allocation is sampled -----------------------------------------------------------------------------

  // Each allocation counts as this much more than it has: the pool rounds up to 8, and none weighs nothing.
  const EXTRA = 8
  const COUNT = 0
  // Bytes until the next event. In a typed array, because a variable of a closure that holds a fraction is allocated anew for
  // each change. Infinity: nobody is interested.
  const left = new Float64Array(1)
  left[COUNT] = Infinity
  let stretch = Infinity
  let untilSample = Infinity

  // Above this share of the thread's time the interval is doubled, below a quarter of it halved again, down to what was asked.
  const WINDOW_MS = 20
  let maxShare = 0
  let baseInterval = 0
  let interval = 0
  let windowStart = 0
  let spentMs = 0

  let startedAt
  let stackDepth = 16

  // Those who asked for a profile, and how each of them knows the route.
  const users = new Map()

  /**
   * The counter has run out: the pool may have another slab, or this allocation is to be sampled.
   *
   * A slab is used to more than its half before the next one is made, since the pool gives only less than half a slab away at once.
   * So whoever looks after every half slab sees each of them.
   */
  function event (value, wrapper, isPooled, isNew) {
    try {
      untilSample -= stretch - left[COUNT]
      if (isPooled && isNew) lookForSlab(value)
      if (untilSample < 0) {
        if (isNew) sample(value, wrapper)
        untilSample = native.nextSampleGap(interval)
      }
    } catch {
      // Near the end of the stack, for one. The host's allocation has succeeded and is not to fail because of us.
    }
    wind()
  }

  function wind () {
    const slab = currentSlab.deref()?.byteLength ?? 8192
    // Node 26 makes slabs longer than the pool, by 64 bytes.
    const halfSlab = Math.max(64, (Math.min(slab, Buffer.poolSize) - 128) / 2)
    stretch = Math.min(untilSample, halfSlab) || 64
    left[COUNT] = stretch
  }

  function lookForSlab (view) {
    if (view.byteLength === 0) return
    // A view of up to 64 bytes may live in V8's heap; asking for its ArrayBuffer would move it out. In the pool it has an offset, or
    // is the first slice.
    if (view.byteLength <= 64 && view.byteOffset === 0) {
      probe()
      return
    }
    const store = view.buffer
    if (store === currentSlab.deref() || store.byteLength === view.byteLength) return
    probe()
  }

  // ---- A sample ------------------------------------------------------------------------------------------------

  const MAX_SITES = 4096
  const MAX_NODES = 65_536
  const OTHER = 0
  let root
  let nodeCount
  // Sites by number; a site is the node of its outermost frame.
  let sites
  let released = makeRegistry(0)
  let generation = 0

  function reset () {
    root = { parent: undefined, frame: undefined, site: -1, files: new Map() }
    nodeCount = 0
    sites = [{ parent: undefined, frame: { functionName: '(other)', file: '', line: 0, column: 0 }, site: OTHER, files: undefined }]
    generation++
    released = makeRegistry(generation)
  }

  function makeRegistry (of) {
    return new FinalizationRegistry((id) => {
      if (of === generation) native.releaseSample(id)
    })
  }

  function sample (value, wrapper) {
    const start = performance.now()
    const { byteLength } = value
    const id = native.addSample(siteOf(wrapper), byteLength, byteLength + EXTRA, interval)
    for (const { route } of users.values()) {
      if (route(id)) break // The first who knows.
    }
    released.register(lifetimeOf(value, byteLength), id)
    govern(start)
  }

  /** What lives as long as the bytes: the ArrayBuffer, if it is the value's own; subarrays hold it too. */
  function lifetimeOf (value, byteLength) {
    if (byteLength <= 64 || !ArrayBuffer.isView(value)) return value
    const store = value.buffer
    return store.byteLength === byteLength ? store : value
  }

  function govern (start) {
    const now = performance.now()
    spentMs += now - start
    const elapsed = now - windowStart
    if (elapsed < WINDOW_MS) return
    const share = spentMs / elapsed
    if (share > maxShare) interval *= 2
    else if (share < maxShare / 4 && interval > baseInterval) interval /= 2
    windowStart = now
    spentMs = 0
  }

  function siteOf (wrapper) {
    const calls = callSites(wrapper)
    let node = root
    for (const call of calls) {
      node = step(node, call)
      if (node === undefined) return OTHER
    }
    if (node.site === -1) {
      if (sites.length >= MAX_SITES) return OTHER
      node.site = sites.length
      sites.push(node)
    }
    return node.site
  }

  function step (node, call) {
    const file = call.getScriptNameOrSourceURL() ?? ''
    const position = call.getPosition()
    let positions = node.files.get(file)
    if (positions === undefined) {
      positions = new Map()
      node.files.set(file, positions)
    }
    let next = positions.get(position)
    if (next === undefined) {
      if (nodeCount >= MAX_NODES) return undefined
      nodeCount++
      const frame = {
        functionName: call.getFunctionName() ?? '',
        file,
        line: call.getLineNumber() ?? 0,
        column: call.getColumnNumber() ?? 0
      }
      next = { parent: node, frame, site: -1, files: new Map() }
      positions.set(position, next)
    }
    return next
  }

  function callSites (wrapper) {
    const holder = {}
    const { prepareStackTrace, stackTraceLimit } = Error
    const hadPrepare = Object.hasOwn(Error, 'prepareStackTrace')
    try {
      Error.stackTraceLimit = stackDepth
      Error.prepareStackTrace = (_, calls) => calls
      Error.captureStackTrace(holder, wrapper)
      const calls = holder.stack
      return Array.isArray(calls) ? calls : []
    } finally {
      if (hadPrepare) Error.prepareStackTrace = prepareStackTrace
      else delete Error.prepareStackTrace
      Error.stackTraceLimit = stackTraceLimit
    }
  }

  /** The frames of each site, innermost first. */
  function stacks () {
    return sites.map((site) => {
      const frames = []
      for (let node = site; node?.frame !== undefined; node = node.parent) frames.unshift(node.frame)
      return frames
    })
  }

  // ---- Wrapping ------------------------------------------------------------------------------------------------

  // One literal each: shared, they would share their type feedback too, and be slow. What the originals return is not checked
  // beyond its existence: it is what the host gets with us or without.
  const MAKE = {
    from: (original) => function from (value) {
      const buffer = apply(original, this, arguments)
      if ((left[COUNT] -= buffer?.length + EXTRA) < 0) event(buffer, from, true, isFresh(buffer, value))
      return buffer
    },
    alloc: (original) => function alloc (size) {
      const buffer = apply(original, this, arguments)
      if ((left[COUNT] -= size + EXTRA) < 0) event(buffer, alloc, false, true)
      return buffer
    },
    allocUnsafe: (original) => function allocUnsafe (size, alignment) {
      const buffer = apply(original, this, arguments)
      if ((left[COUNT] -= size + EXTRA + (alignment === undefined ? 0 : alignment)) < 0) event(buffer, allocUnsafe, true, true)
      return buffer
    },
    allocUnsafeSlow: (original) => function allocUnsafeSlow (size) {
      const buffer = apply(original, this, arguments)
      if ((left[COUNT] -= size + EXTRA) < 0) event(buffer, allocUnsafeSlow, false, true)
      return buffer
    },
    concat: (original) => function concat () {
      const buffer = apply(original, this, arguments)
      if ((left[COUNT] -= buffer?.length + EXTRA) < 0) event(buffer, concat, true, true)
      return buffer
    },
    copyBytesFrom: (original) => function copyBytesFrom () {
      const buffer = apply(original, this, arguments)
      if ((left[COUNT] -= buffer?.length + EXTRA) < 0) event(buffer, copyBytesFrom, true, true)
      return buffer
    }
  }
  // How to find out whether a function calls one of the others by its name, as Buffer.concat did up to Node 22: then the other one
  // sees what it allocates, and it must not be counted twice.
  const TRIES = {
    allocUnsafe: [1],
    allocUnsafeSlow: [1],
    alloc: [1],
    from: ['x'],
    concat: [[new Uint8Array(1)]],
    copyBytesFrom: [new Uint8Array(1)]
  }
  const NAMES = Object.keys(TRIES)

  // What is in place of each function: { wrapper, original, descriptor }.
  const wrappers = new Map()

  // Those that call another one, which sees what they allocate.
  const nested = new Set()

  // All wrappers of all copies of offheap in this process, so that the last to go finds the way back past those that
  // were covered by another when they were to go.
  const WRAPPED = Symbol.for('offheap.wrapped')
  let wrapped

  /** Whether the value's bytes are its own and not those of an ArrayBuffer that was passed in. */
  function isFresh (buffer, value) {
    if (typeof value === 'string' || Array.isArray(value) || ArrayBuffer.isView(value)) return true
    if (buffer.byteLength <= 64 && buffer.byteOffset === 0) return typeof value !== 'object' || value === null || !('byteLength' in value)
    const store = buffer.buffer
    return store !== value && store !== value.valueOf?.()
  }

  function wrap (name) {
    const descriptor = getOwnPropertyDescriptor(Buffer, name)
    const original = descriptor?.value
    if (typeof original !== 'function' || !(descriptor.configurable || descriptor.writable)) return
    if (wrapped.get(original)?.isOurs(left)) {
      // Ours is there already, asleep: covered by somebody else when we stopped, and uncovered since.
      wrappers.set(name, wrapped.get(original))
      return
    }
    const wrapper = MAKE[name](original)
    for (const key of ownKeys(original)) {
      // Of a strict function everything can be redefined but its prototype, which can only be assigned.
      if (key === 'prototype') wrapper.prototype = original.prototype
      else defineProperty(wrapper, key, getOwnPropertyDescriptor(original, key))
    }
    const entry = { wrapper, original, descriptor, isAsleep: () => left[COUNT] === Infinity, isOurs: (state) => state === left }
    wrapped.set(wrapper, entry)
    defineProperty(Buffer, name, { ...descriptor, value: wrapper })
    wrappers.set(name, entry)
  }

  function unwrap (name) {
    const { wrapper, descriptor } = wrappers.get(name)
    wrappers.delete(name)
    const now = getOwnPropertyDescriptor(Buffer, name)
    // Somebody has put a function of theirs over ours, which calls ours: it stays, asleep.
    if (now?.value !== wrapper) return
    let { original } = wrapped.get(wrapper)
    while (wrapped.get(original)?.isAsleep()) original = wrapped.get(original).original
    defineProperty(Buffer, name, { ...descriptor, value: original })
  }

  function callsAnother (name) {
    const MUCH = 1e12
    left[COUNT] = MUCH
    try {
      apply(Buffer[name], Buffer, TRIES[name])
    } catch {
      // A function that somebody has replaced.
    }
    return left[COUNT] !== MUCH
  }

  function wrapAll (names) {
    nested.clear()
    for (const name of NAMES) {
      if (!names.includes(name)) continue
      if (callsAnother(name)) nested.add(name)
      else wrap(name)
    }
    left[COUNT] = Infinity
  }

  /** Whether everything that cuts slices of the pool is seen. */
  function wrapsPool () {
    return ['from', 'allocUnsafe'].every((name) => wrappers.has(name)) &&
      ['concat', 'copyBytesFrom'].every((name) => wrappers.has(name) || nested.has(name))
  }

  function start (user, settings) {
    if (users.size === 0) begin(settings)
    users.set(user, settings)
    baseInterval = Math.min(...[...users.values()].map(({ sampleIntervalBytes }) => sampleIntervalBytes))
    interval = baseInterval
  }

  function begin (settings) {
    if (globalThis[WRAPPED] === undefined) defineProperty(globalThis, WRAPPED, { value: new WeakMap() })
    wrapped = globalThis[WRAPPED]
    reset()
    native.resetSamples(settings.seed)
    startedAt = Date.now()
    stackDepth = settings.stackDepth
    maxShare = settings.maxOverhead
    windowStart = performance.now()
    spentMs = 0
    probe()
    wrapAll(settings.functions)
    baseInterval = interval = settings.sampleIntervalBytes
    untilSample = native.nextSampleGap(interval)
    wind()
  }

  function stop (user) {
    if (!users.delete(user) || users.size > 0) return
    left[COUNT] = stretch = Infinity
    for (const name of [...wrappers.keys()]) unwrap(name)
  }

  function reading () {
    return sites === undefined ? undefined : { startedAt, isActive: users.size > 0, sampleIntervalBytes: interval, functions: [...wrappers.keys(), ...nested], stacks: stacks() }
  }

  return { readPool, noticePool: probe, start, stop, reading }
})()
