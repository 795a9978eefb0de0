'use strict'

// Finds the path that a router layer was registered with, as text. It never contains a value of a request: that would make a new route for every
// user, and would show a secret in a debug page.
//
// How a layer keeps its path:
//   router ≥ 2.3 (Express 5.3)    rawPath, as it was registered
//   router 2.0–2.2 (Express 5.0)  only functions that match a path: the template is inferred from their results
//   Express 4                     a regular expression and the names of its groups
// The layer of a route also has the route, which keeps its path in all versions.

// How path-to-regexp 0.1 writes a parameter: a group in a group with its prefix, such as (?:\/([^/]+?))
const PARAMETER = /\(\?:(\\[/.])?\((?:[^()]|\([^()]*\))*\)\)(\?)?|\(\.\*\)/g
const END = '\\/?(?=\\/|$)'

// Characters that replace one character of a path. When the path still matches, that part is not fixed.
const PROBES = ['q', 'z', '7']

/**
 * @param {object} layer of Express 4 or 5
 * @param {string | undefined} matched the part of a path that the layer matched, if it is known
 * @returns {string | undefined} with a leading slash; '' for the root; undefined when it needs `matched` and there is none
 */
function layerTemplate (layer, matched) {
  if (layer.slash || layer.regexp?.fast_slash) return ''
  if (layer.route !== undefined) return pathText(layer.route.path)
  if (layer.rawPath !== undefined) return pathText(layer.rawPath)
  if (typeof layer.regexp?.exec === 'function') return fromRegExp(layer.regexp.source, layer.keys ?? [])
  return matched === undefined ? undefined : inferred(layer, matched)
}

/** The text of a path as it is passed to Express: a string, a regular expression, or an array of them. */
function pathText (path) {
  if (Array.isArray(path)) return path.flat(Infinity).map((one) => pathText(one) || '/').join('|')
  if (typeof path !== 'string') return `(${String(path)})`
  if (path === '' || path === '/') return ''
  const text = path.endsWith('/') ? path.slice(0, -1) : path
  return text.startsWith('/') ? text : `/${text}`
}

function fromRegExp (source, keys) {
  let key = 0
  const name = () => String(keys[key++]?.name ?? '*')
  const parts = source.split(/\|(?=\^)/).map((part) => {
    if (!part.startsWith('^') || !part.endsWith(END)) return undefined
    const text = part.slice(1, -END.length)
      .replace(PARAMETER, (group, prefix = '', optional = '') => {
        const called = name()
        return group === '(.*)' ? '\u0000' : `${prefix.slice(1)}:${called}${optional === '' ? '' : '\u0001'}`
      })
      .replace(/\\([/.-])/g, '$1')
    if (/[\\^$.*+?()[\]{}|]/.test(text.replace(/\./g, ''))) return undefined
    return text.replaceAll('\u0000', '*').replaceAll('\u0001', '?')
  })
  // Not every expression is made by path-to-regexp, or has only names in it. Such an expression is itself the template.
  return parts.includes(undefined) ? `(/${source}/)` : parts.join('|')
}

/** The template that matches `matched`, segment by segment: a name, a wildcard, or fixed text. */
function inferred (layer, matched) {
  const matcher = layer.matchers.find((candidate) => safely(candidate, matched))
  if (matcher === undefined) return undefined
  const { params } = safely(matcher, matched)
  const values = Object.entries(params).map(([name, value]) => [name, [value].flat()])
  const segments = matched.split('/')
  const found = segments.map((segment, index) => {
    if (segment === '') return ''
    const probe = (text) => safely(matcher, [...segments.slice(0, index), text, ...segments.slice(index + 1)].join('/'))
    const decoded = decode(segment)
    const names = values.filter(([, parts]) => parts.some((part) => part !== '' && decoded.includes(part))).map(([name]) => name)
    if (!isFixed(segment, probe)) return names.length === 0 ? '*' : names.map((name) => `:${name}`).join('')
    // The layer matches upper and lower case, so all spellings get one text.
    return segment.toLowerCase()
  })
  // A wildcard matches any number of segments. They become one name.
  return found.filter((text, index) => !/^[:*]/.test(text) || text !== found[index - 1]).join('/')
}

function isFixed (segment, probe) {
  if (probe(`${segment}q`) || probe(`q${segment}`)) return false
  for (let index = 0; index < segment.length; index++) {
    for (const other of PROBES) {
      if (other === segment[index].toLowerCase()) continue
      if (probe(segment.slice(0, index) + other + segment.slice(index + 1))) return false
    }
  }
  return true
}

/**
 * The part of a path that the layer matches, from its beginning. `match()` of older routers is not used, because it writes into the layer.
 * @returns {string | undefined} undefined when it does not match
 */
function layerMatch (layer, path) {
  if (layer.slash || layer.regexp?.fast_slash) return ''
  if (typeof layer.regexp?.exec === 'function') return layer.regexp.fast_star ? path : layer.regexp.exec(path)?.[0]
  for (const matcher of layer.matchers) {
    const match = safely(matcher, path)
    if (match) return match.path
  }
  return undefined
}

function safely (matcher, path) {
  try {
    return matcher(path)
  } catch {
    // The path has a percent sign that cannot be decoded.
    return false
  }
}

function decode (segment) {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

module.exports = { layerMatch, layerTemplate, pathText }
