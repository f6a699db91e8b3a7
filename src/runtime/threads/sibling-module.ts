/**
 * The URL of a module beside the caller's, for starting it as a thread: `.ts` in a clone, `.js` in the built package.
 * (Import specifiers are rewritten by the compiler; strings are not.)
 */
export function siblingModule(name: string, callerUrl: string): URL {
  const extension = callerUrl.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./${name}.${extension}`, callerUrl);
}
