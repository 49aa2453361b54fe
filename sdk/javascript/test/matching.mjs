// The matchers of the conformance scenarios.

const typeOf = (value) => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value);
const show = (value) => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
};

const TYPES = ['string', 'number', 'boolean', 'array', 'object'];
const MATCHERS = {
  $type: (kind, actual) => {
    if (!TYPES.includes(kind)) throw new Error(`unknown type: ${show(kind)}`);
    return typeOf(actual) === kind;
  },
  $match: (pattern, actual) => typeof actual === 'string' && new RegExp(pattern).test(actual),
  $min: (least, actual) => typeof actual === 'number' && actual >= least,
  $length: (length, actual) => Array.isArray(actual) && actual.length === length,
  $contains: (part, actual) =>
    typeof actual === 'string'
      ? typeof part === 'string' && actual.includes(part)
      : Array.isArray(actual) && actual.some((element) => mismatch(part, element) === undefined),
  $all: (parts, actual) => parts.every((part) => mismatch(part, actual) === undefined),
  $absent: (yes, actual) => {
    if (yes !== true) throw new Error('$absent takes true');
    return actual === undefined || actual === null;
  },
};

/** Says where a value does not match, or nothing where it does. An unknown matcher throws. */
export function mismatch(expected, actual, at = '') {
  const wrong = `${at || 'the answer'} is ${show(actual)}, expected ${show(expected)}`;
  if (typeOf(expected) === 'array') {
    if (!Array.isArray(actual) || actual.length !== expected.length) return wrong;
    return first(expected.map((element, i) => mismatch(element, actual[i], `${at}/${i}`)));
  }
  if (typeOf(expected) !== 'object') return expected === actual ? undefined : wrong;
  const members = Object.entries(expected);
  if (members.some(([name]) => name.startsWith('$'))) {
    const [name, argument] = members[0];
    if (members.length > 1 || !Object.hasOwn(MATCHERS, name)) {
      throw new Error(`unknown matcher: ${show(expected)}`);
    }
    return MATCHERS[name](argument, actual) ? undefined : wrong;
  }
  if (typeOf(actual) !== 'object') return wrong;
  return first(members.map(([name, member]) => mismatch(member, actual[name], `${at}/${name}`)));
}

const first = (faults) => faults.find((fault) => fault !== undefined);
