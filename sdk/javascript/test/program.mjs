// Runs programs as a reader of the documentation would: each in a process of its own, by the package's name.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const LIMIT_MS = 60_000;

/**
 * Runs a program to its end, or until what it prints satisfies `enough`. Resolves with what it printed;
 * rejects with its errors where it fails or does neither in time.
 */
export function runProgram(code, enough = () => false) {
  // Read from standard input, a program finds the package of the working folder by its name.
  const child = spawn(process.execPath, ['--input-type=module'], {
    cwd: fileURLToPath(new URL('../', import.meta.url)),
    timeout: LIMIT_MS,
  });
  child.stdin.end(code);
  let printed = '';
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      printed += chunk;
      if (enough(printed)) child.kill('SIGKILL');
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0 || enough(printed)) resolve(printed);
      else reject(new Error(`the program ended with ${signal ?? code}:\n${printed}\n${errors}`));
    });
  });
}
