import { expect, it } from 'vitest';
import { isForbidden } from './errors.ts';

it.each([
  ['of a command', "NOPERM User app has no permissions to run the 'publish' command"],
  [
    'of a script, in Redis 7.0',
    "ERR The user executing the script can't run this command or subcommand script: 5f1c, on @user_script:5.",
  ],
  [
    'of a key in a script, in Redis 7.0',
    "ERR The user executing the script can't access at least one of the keys mentioned in the command",
  ],
  [
    'of a script, in Valkey 9.1',
    "ERR ACL failure in script: User app has no permissions to run the 'publish' command script: on @user_script:5.",
  ],
])('knows a missing right %s', (_what, message) => {
  expect(isForbidden(new Error(message))).toBe(true);
});

it('takes nothing else for one', () => {
  expect(isForbidden(new Error('OOM command not allowed when used memory > maxmemory'))).toBe(false);
});
