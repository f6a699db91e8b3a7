import { createLogListener } from '../../telemetry/log-listener.ts';
import { createTelemetry, type Telemetry } from '../../telemetry/telemetry.ts';

/** For what a command opens itself: warnings go to standard error, so that they are no part of what it prints. */
export function createCommandTelemetry(): Telemetry {
  const telemetry = createTelemetry();
  createLogListener({ telemetry, level: 'warn', format: 'text', destination: process.stderr });
  return telemetry;
}
