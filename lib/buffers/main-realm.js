// offheap: evaluated once per thread, in the main realm (see src/bindings/buffer_profile.rs): what all copies of lib/buffers/pool.js and
// lib/buffers/profile.js on that thread share. Made here, because what is put in the place of Buffer.from outlives the
// jest realm that asked for it.
//
// Knows: the pool's slabs that it has seen, and which allocation is to be sampled.
// Out of scope: what a route or a source map is. Tallies and estimates are native (src/buffers/profile/).
// Limitations: what is allocated by functions that were taken off Buffer before (`const { from } = Buffer`), by native code, or by
// `new Uint8Array(n)`.
(() => function create (Buffer, performance, native) {
  'use strict'

  // Taken now: what the host puts in their places later may not work, and it is the host's allocation that would fail.
  const { apply, defineProperty, deleteProperty, getOwnPropertyDescriptor, ownKeys, set } = Reflect
  const { max, min, random } = Math
  const { isArray } = Array
  const { isView } = ArrayBuffer
  const lengthsOfBuffers = [ArrayBuffer, SharedArrayBuffer].map(({ prototype }) => getOwnPropertyDescriptor(prototype, 'byteLength').get)
  const allocUnsafe = Buffer.allocUnsafe

  // ---- The pool ------------------------------------------------------------------------------------------------

  // The slab that was current when last looked: held while Buffers are sampled, which is at most until the next half slab
  // is used up, and weakly otherwise. A WeakRef would not do for the former: the language keeps its target until the end of the job,
  // so a loop that goes through a thousand slabs would keep them all.
  let heldSlab
  let weakSlab = new WeakRef({})
  let slabBytes = 0
  let createdCount = 0

  // Observing a slab until it is collected costs 2 to 7 µs in a tight loop, garbage collection included. Where slabs are made so fast that
  // this would be felt, one in `observeEvery` is observed, at random, and stands for that number of them.
  // (Not by a FinalizationRegistry or a WeakRef: what those refer to outlives minor collections, and so would all slabs; it made
  // allocations from the pool cost 1.1 to 1.4 times as much.)
  const SLABS_PER_LOOK = 16
  const MS_PER_SLAB = 0.004
  const MOST_PER_OBSERVED = 256
  let observeEvery = 1
  let slabsUntilLook = SLABS_PER_LOOK
  let lastLook = 0

  /** Counts the slab, if it was not counted yet. Between two looks the pool never goes back to an earlier one. */
  function noticeSlab (slab) {
    if (heldSlab === undefined) {
      if (weakSlab.deref() === slab) return
      weakSlab = new WeakRef(slab)
    } else {
      if (heldSlab === slab) return
      heldSlab = slab
      if (--slabsUntilLook === 0) slowDown()
    }
    slabBytes = slab.byteLength
    createdCount++
    if (observeEvery > 1 && random() * observeEvery >= 1) return
    native.observe(slab, native.addSlab(slabBytes, observeEvery))
  }

  /** Observes as many slabs as the share of the thread's time allows. */
  function slowDown () {
    const now = performance.now()
    const wanted = maxShare === 1 ? 1 : SLABS_PER_LOOK * MS_PER_SLAB / maxShare / (now - lastLook)
    observeEvery = 1
    while (observeEvery < wanted && observeEvery < MOST_PER_OBSERVED) observeEvery *= 2
    lastLook = now
    slabsUntilLook = SLABS_PER_LOOK
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
    const [liveCount, liveBytes, liveStandardError] = native.readSlabs()
    return {
      createdCount,
      liveCount,
      liveBytes,
      liveStandardError,
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
  // In a typed array, because a variable of a closure that holds a fraction is allocated anew for each change.
  const left = new Float64Array(6)
  // Of the functions that may use the pool: bytes until the next event; Infinity: nobody is interested.
  const COUNT = 0
  // What it was set to.
  const STRETCH = 1
  // Bytes until the next sample, and bytes of the pool until the next look, as of when COUNT was set.
  const UNTIL_SAMPLE = 2
  const UNTIL_LOOK = 3
  // Of the functions that never use the pool: bytes until the next sample, and what that was set to. Two counters that run out at random
  // find as much as one.
  const UNPOOLED = 4
  const UNPOOLED_STRETCH = 5
  left.fill(Infinity)
  // A gap is cut off here, so that the time that samples take is looked at however far apart they are. Gaps have no memory: behind the cut
  // another one begins, as if the first had not been.
  const MOST_BYTES_PER_LOOK = 16 * 2 ** 20
  // Where in its slab the slice ended that was looked at last.
  let lastEnd = Infinity

  // After this many samples, or MOST_BYTES_PER_LOOK, the time that they took is looked at, natively (pace.rs): above the limit the interval is made longer, and
  // as short as was asked for when there is time again. What was sampled is weighed by the interval of that time.
  const SAMPLES_PER_LOOK = 8
  let maxShare = 0
  let interval = 0
  let samplesSinceLook = 0
  let passedBytes = 0
  let spentMs = 0
  // Whether the last gap that was drawn was cut off, and whether those were that run.
  let gapIsCut = false
  let pooledIsCut = false
  let unpooledIsCut = false

  let startedAt
  let stackDepth = 16

  // Those who asked for a profile, and how each of them knows the route.
  const users = new Map()

  /**
   * The counter of the functions that may use the pool has run out: the pool may have another slab, or this allocation is to be sampled.
   *
   * A slab is used to more than its half before the next one is made, since the pool gives only less than half a slab away at once.
   * So whoever looks after every half slab sees each of them.
   */
  function event (value, wrapper, isFrom, source) {
    try {
      settle()
      const isNew = !isFrom || isFresh(value, source)
      if (isNew && value.length >= Buffer.poolSize >>> 1) {
        // It is not from the pool, which has got no further by it.
        left[UNTIL_LOOK] += value.length + EXTRA
      } else if (isNew && left[UNTIL_LOOK] < 0) {
        lookForSlab(value)
        left[UNTIL_LOOK] = halfSlab()
      }
      if (left[UNTIL_SAMPLE] < 0) {
        if (isNew && isHit(-left[UNTIL_SAMPLE], pooledIsCut)) sample(value, wrapper)
        left[UNTIL_SAMPLE] = nextGap()
        pooledIsCut = gapIsCut
      }
      wind()
      if (passedBytes >= MOST_BYTES_PER_LOOK) look()
    } catch {
      // Near the end of the stack, for one. The host's allocation has succeeded and is not to fail because of us.
      left[COUNT] = left[STRETCH] = left[UNTIL_SAMPLE] = left[UNTIL_LOOK] = interval
    }
  }

  /** That of the functions that never use the pool has. */
  function unpooledEvent (value, wrapper) {
    try {
      const beyond = -left[UNPOOLED]
      const isCut = unpooledIsCut
      settleUnpooled()
      windUnpooled()
      if (isHit(beyond, isCut)) sample(value, wrapper)
      if (passedBytes >= MOST_BYTES_PER_LOOK) look()
    } catch {
      left[UNPOOLED] = left[UNPOOLED_STRETCH] = interval
    }
  }

  /** Whether a sample falls into the allocation that used a gap up and went so far beyond it. A gap that was cut off was none yet. */
  function isHit (beyond, isCut) {
    return !isCut || native.nextSampleGap(interval) < beyond
  }

  function settle () {
    const passed = left[STRETCH] - left[COUNT]
    // Not a number: something without a length has come by.
    if (passed !== passed) left[COUNT] = left[STRETCH] // eslint-disable-line no-self-compare
    else settleBy(passed)
  }

  function settleBy (passed) {
    passedBytes += passed
    left[UNTIL_SAMPLE] -= passed
    left[UNTIL_LOOK] -= passed
    left[STRETCH] = left[COUNT]
  }

  function settleUnpooled () {
    passedBytes += left[UNPOOLED_STRETCH] - left[UNPOOLED]
    left[UNPOOLED_STRETCH] = left[UNPOOLED]
  }

  function windUnpooled () {
    left[UNPOOLED] = left[UNPOOLED_STRETCH] = nextGap()
    unpooledIsCut = gapIsCut
  }

  function nextGap () {
    const gap = native.nextSampleGap(interval)
    gapIsCut = gap > MOST_BYTES_PER_LOOK
    return gapIsCut ? MOST_BYTES_PER_LOOK : gap
  }

  function wind () {
    left[COUNT] = left[STRETCH] = min(left[UNTIL_SAMPLE], left[UNTIL_LOOK])
  }

  /** From now on samples are so far apart. Gaps have no memory, so those that have begun may begin again. */
  function setInterval (bytes) {
    if (bytes === interval) return
    settle()
    settleUnpooled()
    interval = bytes
    windAll()
  }

  function windAll () {
    left[UNTIL_SAMPLE] = nextGap()
    pooledIsCut = gapIsCut
    windUnpooled()
    wind()
  }

  function halfSlab () {
    // Node 26 makes slabs longer than the pool, by 64 bytes.
    const { poolSize } = Buffer
    return poolSize < 4 ? Infinity : max(64, (min(slabBytes, poolSize) - 128) / 2)
  }

  function lookForSlab (view) {
    const { byteLength, byteOffset } = view
    // As long as slices lie one behind the other it is the same slab: of the next one less is used by now than of the one before after
    // the last look, since both together are less than half a slab. Asking for the ArrayBuffer costs as much as a small allocation.
    const before = lastEnd
    lastEnd = byteOffset + byteLength
    if (byteOffset >= before) return
    // A view of up to 64 bytes may live in V8's heap; asking for its ArrayBuffer would move it out. In the pool it has an offset, or
    // is the first slice.
    if (byteLength <= 64 && byteOffset === 0) {
      if (byteLength > 0) probe()
      return
    }
    const store = view.buffer
    if (store === heldSlab || store.byteLength === byteLength) return
    // Another slab: most likely, since the pool has no reason to give out anything else.
    if (store.byteLength === slabBytes) noticeSlab(store)
    else probe()
  }

  // ---- A sample ------------------------------------------------------------------------------------------------

  const MAX_SITES = 4096
  const MAX_NODES = 65_536
  const OTHER = 0
  let root
  let nodeCount
  // Sites by number; a site is the node of its outermost frame.
  let sites

  function reset () {
    root = { parent: undefined, frame: undefined, site: -1, files: new Map() }
    nodeCount = 0
    sites = [{ parent: undefined, frame: { functionName: '(other)', file: '', line: 0, column: 0 }, site: OTHER, files: undefined }]
  }

  function sample (value, wrapper) {
    const start = performance.now()
    const { byteLength } = value
    const id = native.addSample(siteOf(wrapper), byteLength, byteLength + EXTRA, interval)
    for (const { route } of users.values()) {
      if (route(id)) break // The first who knows.
    }
    native.observe(lifetimeOf(value, byteLength), id)
    spentMs += performance.now() - start
    if (++samplesSinceLook >= SAMPLES_PER_LOOK) look()
  }

  /** What lives as long as the bytes: the ArrayBuffer, if it is the value's own; subarrays hold it too. */
  function lifetimeOf (value, byteLength) {
    if (byteLength <= 64 || !isView(value)) return value
    const store = value.buffer
    return store.byteLength === byteLength ? store : value
  }

  /** Tells how much has been charged and what samples took, and sets how far apart they are from now on. */
  function look () {
    settle()
    settleUnpooled()
    const wanted = native.lookAtSamples(performance.now(), spentMs, samplesSinceLook, passedBytes)
    passedBytes = spentMs = samplesSinceLook = 0
    setInterval(wanted)
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

  /** Structured, which costs less than text. Where Error is frozen there are none, and all is one site. */
  function callSites (wrapper) {
    const holder = {}
    const prepare = getOwnPropertyDescriptor(Error, 'prepareStackTrace')
    const { stackTraceLimit } = Error
    try {
      set(Error, 'stackTraceLimit', stackDepth)
      set(Error, 'prepareStackTrace', (_, calls) => calls)
      Error.captureStackTrace(holder, wrapper)
      const calls = holder.stack
      return Array.isArray(calls) ? calls : []
    } finally {
      if (prepare === undefined) deleteProperty(Error, 'prepareStackTrace')
      else defineProperty(Error, 'prepareStackTrace', prepare)
      set(Error, 'stackTraceLimit', stackTraceLimit)
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

  // One literal each: shared, they would share their type feedback too, and be slow. V8 inlines what a constant of the closure holds,
  // and not what a parameter does. What the originals return is not checked
  // beyond its existence: it is what the host gets with us or without.
  const MAKE = {
    from: (original) => {
      const call = original
      return function from (value) {
        const buffer = apply(call, this, arguments)
        if (!((left[COUNT] -= buffer?.length + EXTRA) >= 0)) event(buffer, from, true, value)
        return buffer
      }
    },
    alloc: (original) => {
      const call = original
      return function alloc (size) {
        const buffer = apply(call, this, arguments)
        if ((left[UNPOOLED] -= size + EXTRA) < 0) unpooledEvent(buffer, alloc)
        return buffer
      }
    },
    allocUnsafe: (original) => {
      const call = original
      return function allocUnsafe (size, alignment) {
        const buffer = apply(call, this, arguments)
        if (!((left[COUNT] -= size + EXTRA + (typeof alignment === 'number' ? alignment : 0)) >= 0)) event(buffer, allocUnsafe, false)
        return buffer
      }
    },
    allocUnsafeSlow: (original) => {
      const call = original
      return function allocUnsafeSlow (size) {
        const buffer = apply(call, this, arguments)
        if ((left[UNPOOLED] -= size + EXTRA) < 0) unpooledEvent(buffer, allocUnsafeSlow)
        return buffer
      }
    },
    concat: (original) => {
      const call = original
      return function concat () {
        const buffer = apply(call, this, arguments)
        if (!((left[COUNT] -= buffer?.length + EXTRA) >= 0)) event(buffer, concat, false)
        return buffer
      }
    },
    copyBytesFrom: (original) => {
      const call = original
      return function copyBytesFrom () {
        const buffer = apply(call, this, arguments)
        if (!((left[COUNT] -= buffer?.length + EXTRA) >= 0)) event(buffer, copyBytesFrom, false)
        return buffer
      }
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

  // What is in place of each function.
  const wrappers = new Map()

  // Those that call another one, which sees what they allocate.
  const nested = new Set()

  // All wrappers of all copies of offheap in this process, so that the last to go finds the way back past those that
  // were covered by another when they were to go.
  const WRAPPED = Symbol.for('offheap.wrapped')
  let wrapped

  /** Whether the Buffer's bytes are its own and not those of an ArrayBuffer that was passed in. Runs nothing of the host's. */
  function isFresh (buffer, value) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || isArray(value) || isView(value)) return true
    if (isAnyArrayBuffer(value)) return false
    // An object may stand for an ArrayBuffer by its valueOf(), which is not called a second time. What is cut from the pool is new;
    // anything else is not counted.
    if (buffer.byteLength <= 64 && buffer.byteOffset === 0) return false
    return buffer.buffer.byteLength !== buffer.byteLength && buffer.buffer.byteLength === slabBytes
  }

  function isAnyArrayBuffer (value) {
    for (let kind = 0; kind < lengthsOfBuffers.length; kind++) {
      try {
        apply(lengthsOfBuffers[kind], value, [])
        return true
      } catch {
        // Not of this kind.
      }
    }
    return false
  }

  function isOurs (wrapper) {
    return typeof wrapper === 'function' && wrapped.get(wrapper)?.state === left
  }

  function wrap (name) {
    const descriptor = getOwnPropertyDescriptor(Buffer, name)
    const original = descriptor?.value
    if (typeof original !== 'function' || !descriptor.writable) return
    if (isOurs(original)) {
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
    const entry = { wrapper, original, state: left, isAsleep: () => left[COUNT] === Infinity }
    wrapped.set(wrapper, entry)
    // Not defined anew: V8 would look Buffer's properties up in a dictionary from then on.
    Buffer[name] = wrapper
    wrappers.set(name, entry)
  }

  function unwrap (name) {
    const { wrapper } = wrappers.get(name)
    wrappers.delete(name)
    // Somebody has put a function of theirs over ours, which calls ours: it stays, asleep.
    if (getOwnPropertyDescriptor(Buffer, name)?.value !== wrapper) return
    let { original } = wrapped.get(wrapper)
    while (wrapped.get(original)?.isAsleep()) original = wrapped.get(original).original
    set(Buffer, name, original)
  }

  function callsAnother (name) {
    const MUCH = 1e12
    left[COUNT] = left[UNPOOLED] = MUCH
    try {
      apply(Buffer[name], Buffer, TRIES[name])
    } catch {
      // A function that somebody has replaced.
    }
    return left[COUNT] !== MUCH || left[UNPOOLED] !== MUCH
  }

  function wrapAll (names) {
    nested.clear()
    for (const name of NAMES) {
      if (!names.includes(name)) continue
      if (!isOurs(Buffer[name]) && callsAnother(name)) nested.add(name)
      else wrap(name)
    }
    left.fill(Infinity)
  }

  /** Whether everything that cuts slices of the pool is seen. */
  function wrapsPool () {
    return ['from', 'allocUnsafe'].every((name) => wrappers.has(name)) &&
      ['concat', 'copyBytesFrom'].every((name) => wrappers.has(name) || nested.has(name))
  }

  function start (user, settings) {
    if (users.size === 0) begin(settings)
    users.set(user, settings)
    look()
    const wanted = min(...[...users.values()].map(({ sampleIntervalBytes }) => sampleIntervalBytes))
    native.setSampleInterval(wanted)
    setInterval(wanted)
  }

  function begin (settings) {
    if (globalThis[WRAPPED] === undefined) defineProperty(globalThis, WRAPPED, { value: new WeakMap() })
    wrapped = globalThis[WRAPPED]
    reset()
    interval = settings.sampleIntervalBytes
    native.resetSamples(settings.seed, interval, settings.maxOverhead, performance.now())
    startedAt = Date.now()
    stackDepth = settings.stackDepth
    maxShare = settings.maxOverhead
    lastLook = performance.now()
    heldSlab = probe()?.buffer ?? {}
    wrapAll(settings.functions)
    passedBytes = spentMs = samplesSinceLook = 0
    left[UNTIL_LOOK] = halfSlab()
    lastEnd = Infinity
    windAll()
  }

  function stop (user) {
    if (!users.delete(user) || users.size > 0) return
    look()
    left.fill(Infinity)
    weakSlab = new WeakRef(heldSlab)
    heldSlab = undefined
    observeEvery = 1
    for (const name of [...wrappers.keys()]) unwrap(name)
  }

  function reading (withStacks) {
    if (sites === undefined) return undefined
    if (users.size > 0) look()
    return {
      startedAt,
      isActive: users.size > 0,
      sampleIntervalBytes: interval,
      functions: [...wrappers.keys(), ...nested],
      stacks: withStacks ? stacks() : []
    }
  }

  return { readPool, noticePool: probe, start, stop, reading }
})()
