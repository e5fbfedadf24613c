// Writes what Node answers to the cases beside it: TZ=UTC node Tests/Fixtures/Node/answers.mjs (Node 20)
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cases } from './cases.mjs';

const require = createRequire(import.meta.url);
const AsyncFunction = (async () => {}).constructor;

const answer = async (code) => {
    const body = /^(const|let) |return /.test(code) ? code : `return ${code}`;
    try {
        const value = await new AsyncFunction('require', 'crypto', body)(require, require('crypto'));
        return { value: value === undefined ? 'undefined' : JSON.stringify(value) };
    } catch (error) {
        return { throws: error.name };
    }
};

// Node would end while only a timer of AbortSignal is left.
const alive = setInterval(() => {}, 1000);
const answers = {};
for (const [group, codes] of Object.entries(cases)) {
    answers[group] = [];
    for (const code of codes) answers[group].push({ code, ...(await answer(code)) });
}
const lines = Object.entries(answers).map(
    ([group, rows]) => `${JSON.stringify(group)}: [\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]`);
writeFileSync(new URL('answers.json', import.meta.url), `{\n${lines.join(',\n')}\n}\n`);
clearInterval(alive);
