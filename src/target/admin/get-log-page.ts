import { Status } from '../../wire/status.ts';
import type { Controller } from '../controller.ts';
import type { Request } from '../request.ts';
import type { Target } from '../target.ts';
export function executeGetLogPage(_target: Target, _controller: Controller, request: Request): void {
  request.refuse(Status.invalidOpcode);
}
