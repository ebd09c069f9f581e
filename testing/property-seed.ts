/**
 * Property tests explore with another seed every time, except where CI decides whether a change lands: there a failure
 * must come from the change, so the seed is always the same.
 */
import fc from 'fast-check';

const seedOfTheGate = 20_261_121;

if (process.env['CI'] === 'true') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: seedOfTheGate });
