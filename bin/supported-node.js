// Which Node runs this program. Plain JavaScript that even an old Node can read.

/**
 * Of each major version the first minor one on which all tests pass. Majors between them are refused, newer ones are
 * assumed to work. Earlier ones take a body of zstd that is cut off for a whole one, and before 24.15 a record of no
 * bytes can not be put into the inbox.
 */
const firstMinor = new Map([
  [24, 20],
  [26, 6],
]);
const lastMajor = Math.max(...firstMinor.keys());

export const supportedNode = '24.20 or a newer 24, or 26.6 or newer';

/** @param {string} version such as 26.6.0 */
export function isSupportedNode(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > lastMajor || minor >= (firstMinor.get(major) ?? Number.POSITIVE_INFINITY);
}
