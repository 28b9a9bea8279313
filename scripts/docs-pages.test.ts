import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ERRORS } from '../base/errors.ts';
import { agentTable, loadAgentConfig } from '../config/agent.ts';
import { tableRows } from '../config/table.ts';
import { configurationPage, errorsPage, exampleFile } from './docs-pages.ts';

describe('the generated pages', () => {
  test('have a row for every error code', () => {
    const page = errorsPage(ERRORS);
    for (const code of Object.keys(ERRORS)) assert.ok(page.includes(`| \`${code}\` | `), code);
  });

  test('have a row for every key, with its environment variable', () => {
    const page = configurationPage([agentTable]);
    for (const { key, env } of tableRows(agentTable)) {
      assert.match(page, new RegExp(`^\\| \`${key}\` \\|.*\\| \`${env}\` \\|$`, 'm'));
    }
  });

  test('give an example that loads as it stands', () => {
    const folder = mkdtempSync(join(tmpdir(), 'example-'));
    try {
      for (const name of ['broker-ca.pem', 'mno-a.pem', 'mno-b.pem']) writeFileSync(join(folder, name), '');
      writeFileSync(join(folder, 'agent.json'), exampleFile(agentTable));
      const config = loadAgentConfig(join(folder, 'agent.json'), {});
      assert.equal(config.activation.mno, 'mno-a');
      assert.equal(config.operators[1]?.certificateFile, join(folder, 'mno-b.pem'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
