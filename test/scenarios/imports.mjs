// Preloaded (--import): writes the address of every module that this process and its threads load to ESP_TEST_IMPORTS.
import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

registerHooks({
  load(url, context, nextLoad) {
    appendFileSync(process.env.ESP_TEST_IMPORTS, `${url}\n`);
    return nextLoad(url, context);
  },
});
