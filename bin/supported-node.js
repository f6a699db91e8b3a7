// Which Node runs this program. Plain JavaScript that even an old Node can read.

/**
 * By major version the first minor one on which all tests pass; of none between them, and of all after them. Any before takes zstd that is cut
 * off for the whole, and before 24.15 a record of no bytes could not be put into the inbox.
 */
const firstMinor = new Map([
  [24, 20],
  [26, 6],
]);
const lastMajor = Math.max(...firstMinor.keys());

export const supportedNode = '24.20 or newer of 24, or 26.6 or newer';

/** @param {string} version such as 26.6.0 */
export function isSupportedNode(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > lastMajor || minor >= (firstMinor.get(major) ?? Number.POSITIVE_INFINITY);
}
