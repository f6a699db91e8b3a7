import { Redis, ReplyError } from 'ioredis';

/**
 * The client library has a class that extends String. That makes V8 keep the methods of all strings in a dictionary,
 * and there even optimised code looks each of them up anew: every `charCodeAt` of the process, which was 14 % of a
 * worker's thread. An object that inherits from what strings inherit, read a few times, has V8 lay the methods out for
 * good as they were.
 */
function layOutStringMethods(): void {
  const heir = Object.create(String.prototype) as string;
  // V8 watches a function only from about its tenth call on.
  for (let times = 0; times < 100; times += 1) readMethod(heir);
}

function readMethod(text: string): unknown {
  return text.charCodeAt;
}

layOutStringMethods();

export { Redis, ReplyError };
