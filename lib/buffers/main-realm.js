// offheap: evaluated once per thread, in the main realm (see src/bindings/buffer_profile.rs). All copies of lib/buffers/pool.js and
// lib/buffers/profile.js on a thread use this one state. It is created in the main realm, because a wrapper of Buffer.from outlives the jest
// realm that called trackBuffers().
//
// Knows: the slabs that it has seen, and which allocation is sampled.
// Out of scope: routes and source maps. Sums and estimates are native (src/buffers/profile/).
// Limitations: does not see allocations by native code, by `new Uint8Array(n)`, or through a reference that was taken from Buffer before
// (`const { from } = Buffer`).
(() => function create (Buffer, performance, native) {
  'use strict'

  // These functions are read now. If the host replaced one of them later with a broken one, the host's allocation would fail here.
  const { apply, defineProperty, deleteProperty, getOwnPropertyDescriptor, ownKeys, set } = Reflect
  const { max, min, random } = Math
  const { isArray } = Array
  const { isView } = ArrayBuffer
  const lengthsOfBuffers = [ArrayBuffer, SharedArrayBuffer].map(({ prototype }) => getOwnPropertyDescriptor(prototype, 'byteLength').get)
  const allocUnsafe = Buffer.allocUnsafe

  // ---- The pool ------------------------------------------------------------------------------------------------

  // The slab that was current at the last look. While Buffers are sampled, the reference is strong: it is replaced when at most half a slab more
  // has been used. A WeakRef would not work here, because the language retains its target until the end of the job: a loop through a
  // thousand slabs would retain them all. While Buffers are not sampled, the reference is weak.
  let heldSlab
  let weakSlab = new WeakRef({})
  let slabBytes = 0
  let createdCount = 0

  // Observing a slab until it is collected costs 2 to 7 µs in a tight loop, garbage collection included. When Node makes slabs so fast that this
  // cost is noticeable, one slab in `observeEvery` is observed, at random, and stands for that many slabs.
  // (A FinalizationRegistry or a WeakRef is not used: its targets survive minor collections, and so would all slabs. Allocations from the pool
  // then cost 1.1 to 1.4 times as much.)
  const SLABS_PER_LOOK = 16
  const MS_PER_SLAB = 0.004
  const MOST_PER_OBSERVED = 256
  let observeEvery = 1
  let slabsUntilLook = SLABS_PER_LOOK
  let lastLook = 0

  /** Counts a slab, unless it was counted at the last look. The pool never returns to an earlier slab. */
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

  /** Sets `observeEvery`, so that observing takes no more than its share of the thread's time. */
  function slowDown () {
    const now = performance.now()
    const wanted = maxShare === 1 ? 1 : SLABS_PER_LOOK * MS_PER_SLAB / maxShare / (now - lastLook)
    observeEvery = 1
    while (observeEvery < wanted && observeEvery < MOST_PER_OBSERVED) observeEvery *= 2
    lastLook = now
    slabsUntilLook = SLABS_PER_LOOK
  }

  /** Allocates the smallest slice from the pool, to find the current slab and the place in it. Undefined when the pool is switched off. */
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
      // Slices of the pool begin at multiples of 8.
      usedBytes: slice === undefined ? undefined : slice.byteOffset + 8,
      isTracked: users.size > 0,
      fullSince: users.size > 0 && wrapsPool() ? startedAt : undefined
    }
  }

  // ---- Which allocation is sampled -----------------------------------------------------------------------------

  // Each allocation counts as this many bytes more than its length: the pool rounds up to 8, and an empty Buffer must not weigh 0.
  const EXTRA = 8
  // In a typed array, because V8 allocates a new heap number for each change of a closure's variable that holds a fraction.
  const left = new Float64Array(6)
  // Functions that may use the pool: bytes until the next event. Infinity while no profile is taken.
  const COUNT = 0
  // The value that COUNT was set to.
  const STRETCH = 1
  // Bytes until the next sample, and bytes of the pool until the next look, at the moment when COUNT was set.
  const UNTIL_SAMPLE = 2
  const UNTIL_LOOK = 3
  // Functions that never use the pool: bytes until the next sample, and the value that this was set to. Two counters that run out at random sample
  // as much as one.
  const UNPOOLED = 4
  const UNPOOLED_STRETCH = 5
  left.fill(Infinity)
  // A longer gap is cut off here, so that the time of samples is checked however far apart the samples are. Gaps have no memory, so a new gap can
  // begin at the cut.
  const MOST_BYTES_PER_LOOK = 16 * 2 ** 20
  // The end, in its slab, of the last slice that was looked at.
  let lastEnd = Infinity

  // After this many samples, or MOST_BYTES_PER_LOOK, native code checks the time that they took (pace.rs). Above the limit it lengthens the
  // interval; later it shortens the interval again, down to the option. A sample has the weight of the interval at its time.
  const SAMPLES_PER_LOOK = 8
  let maxShare = 0
  let interval = 0
  let samplesSinceLook = 0
  let passedBytes = 0
  let spentMs = 0
  // Whether the last gap that was drawn was cut off; and the same for the two gaps that are running.
  let gapIsCut = false
  let pooledIsCut = false
  let unpooledIsCut = false

  let startedAt
  let stackDepth = 16

  // Each caller of trackBuffers(), with its settings. One of them is the function that counts a sample under its route.
  const users = new Map()

  /**
   * Called when the counter of the functions that may use the pool has run out. The pool may have a new slab, or this allocation is sampled.
   *
   * More than half of a slab is used before Node makes the next one, because a slice of the pool is shorter than half a slab. So a look after
   * every half slab sees each slab.
   */
  function event (value, wrapper, isFrom, source) {
    try {
      settle()
      const isNew = !isFrom || isFresh(value, source)
      if (isNew && value.length >= Buffer.poolSize >>> 1) {
        // This Buffer is too long for the pool, so the pool did not advance.
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
      // An error can happen near the end of the stack, for example. The host's allocation has succeeded, and must not fail because of a sample.
      left[COUNT] = left[STRETCH] = left[UNTIL_SAMPLE] = left[UNTIL_LOOK] = interval
    }
  }

  /** Called when the counter of the functions that never use the pool has run out. */
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

  /**
   * Whether the allocation that used up a gap is sampled. It went `beyond` bytes over the end of the gap. When that gap was cut off, the end is
   * only a cut, and a sample follows only if a new gap ends inside the allocation.
   */
  function isHit (beyond, isCut) {
    return !isCut || native.nextSampleGap(interval) < beyond
  }

  function settle () {
    const passed = left[STRETCH] - left[COUNT]
    // Not a number: a result without a length was counted.
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

  /** Sets the average distance of two samples. Gaps have no memory, so the running gaps may begin again. */
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
    // On Node 26 a slab is 64 bytes longer than Buffer.poolSize.
    const { poolSize } = Buffer
    return poolSize < 4 ? Infinity : max(64, (min(slabBytes, poolSize) - 128) / 2)
  }

  function lookForSlab (view) {
    const { byteLength, byteOffset } = view
    // While slices follow one another, the slab is the same. In a new slab the slices would now begin before the last end: less than half a slab was
    // used since the last look. Reading the ArrayBuffer costs as much as a small allocation.
    const before = lastEnd
    lastEnd = byteOffset + byteLength
    if (byteOffset >= before) return
    // A view of up to 64 bytes may be inside V8's heap, and reading its ArrayBuffer would move it out. A view in the pool has an offset, or is the
    // first slice of its slab.
    if (byteLength <= 64 && byteOffset === 0) {
      if (byteLength > 0) probe()
      return
    }
    const store = view.buffer
    if (store === heldSlab || store.byteLength === byteLength) return
    // With this length it is most likely a new slab.
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
      if (route(id)) break // The first one that knows the route counts it.
    }
    native.observe(lifetimeOf(value, byteLength), id)
    spentMs += performance.now() - start
    if (++samplesSinceLook >= SAMPLES_PER_LOOK) look()
  }

  /** The object that lives as long as the bytes: the value's own ArrayBuffer, which subarrays retain too; without one, the value. */
  function lifetimeOf (value, byteLength) {
    if (byteLength <= 64 || !isView(value)) return value
    const store = value.buffer
    return store.byteLength === byteLength ? store : value
  }

  /** Reports the counted bytes and the time of the samples to native code, and sets the interval that it returns. */
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

  /** The stack as call sites, which cost less than text. When Error is frozen there are none, and all samples have one site. */
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

  // Each wrapper is a literal of its own. With one common literal they would have common type feedback, and be slow. V8 inlines a function that a
  // constant of the closure holds, and not one that a parameter holds. The wrappers only check that the original returned something: the host
  // gets the same result with and without offheap.
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

  // Arguments for a test call, which shows whether a function calls another one through Buffer, as Buffer.concat does up to Node 22. The
  // wrapper of the other function then counts the allocation, so it must not be counted twice.
  const TRIES = {
    allocUnsafe: [1],
    allocUnsafeSlow: [1],
    alloc: [1],
    from: ['x'],
    concat: [[new Uint8Array(1)]],
    copyBytesFrom: [new Uint8Array(1)]
  }
  const NAMES = Object.keys(TRIES)

  // The wrapper of each function.
  const wrappers = new Map()

  // Functions without a wrapper, because a function that they call has one.
  const nested = new Set()

  // All wrappers of all copies of offheap in this thread. A wrapper that another function covers cannot be removed, and stays asleep. With this
  // map, the copy that ends last also removes the sleeping wrappers below its own.
  const WRAPPED = Symbol.for('offheap.wrapped')
  let wrapped

  /** Whether the Buffer has new bytes, and not those of an ArrayBuffer argument. Runs no code of the host. */
  function isFresh (buffer, value) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || isArray(value) || isView(value)) return true
    if (isAnyArrayBuffer(value)) return false
    // The valueOf() of an object may return an ArrayBuffer. valueOf() is not called a second time. A slice of the pool is new; any other result is
    // not counted.
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
      // The function is a sleeping wrapper of this copy. Another function covered it when sampling stopped, and does not cover it any more.
      wrappers.set(name, wrapped.get(original))
      return
    }
    const wrapper = MAKE[name](original)
    for (const key of ownKeys(original)) {
      // All properties of a function can be redefined, except its prototype, which can only be assigned.
      if (key === 'prototype') wrapper.prototype = original.prototype
      else defineProperty(wrapper, key, getOwnPropertyDescriptor(original, key))
    }
    const entry = { wrapper, original, state: left, isAsleep: () => left[COUNT] === Infinity }
    wrapped.set(wrapper, entry)
    // An assignment, because after a defineProperty V8 would keep Buffer's properties in a dictionary.
    Buffer[name] = wrapper
    wrappers.set(name, entry)
  }

  function unwrap (name) {
    const { wrapper } = wrappers.get(name)
    wrappers.delete(name)
    // Another function covers this wrapper and calls it. So the wrapper stays, asleep.
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
      // The function was replaced, and its replacement throws.
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

  /** Whether all functions that cut slices from the pool are wrapped, or call a wrapped one. */
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

  function readSampling (withStacks) {
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

  return { readPool, noticePool: probe, start, stop, readSampling }
})()
