/**
 * The RPCs of the interface that this version does not do: each is answered with ENOTSUP and a text, so that a client
 * knows that it reached a gateway and what is missing. docs/compatibility.md lists them.
 */
import { status } from '@grpc/grpc-js';
import { AnagateError } from '../base/errors.ts';
import { answerDone, GrpcFailure, type RpcHandlers } from './answer.ts';

const NO_ENCRYPTION = 'encryption is not supported yet';
const NO_SPDK = 'SPDK is not used here';

export const unsupportedRpcs = {
  add_kmip_server_endpoints: refuse('Failure adding KMIP server endpoints', NO_ENCRYPTION),
  del_kmip_server_endpoints: refuse('Failure deleting KMIP server endpoints', NO_ENCRYPTION),
  list_kmip_server_endpoints: refuse('Failure listing KMIP server endpoints', NO_ENCRYPTION),
  get_spdk_nvmf_log_flags_and_level: refuse('Failure getting SPDK log levels', NO_SPDK),
  set_spdk_nvmf_logs: refuse('Failure setting SPDK log levels', `${NO_SPDK}; see set_gateway_log_level`),
  disable_spdk_nvmf_logs: refuse('Failure disabling SPDK logs', NO_SPDK),

  // Its client looks at the gRPC status only: a refusal in the body would pass for success, and the caller would believe
  // in ANA states that are not in force.
  set_ana_state: async () => {
    throw new GrpcFailure(
      status.UNIMPLEMENTED,
      "set_ana_state is not supported by this gateway: its own monitor decides the ANA groups' states",
    );
  },
} satisfies Partial<RpcHandlers>;

function refuse(failure: string, reason: string) {
  return () =>
    answerDone(failure, () => {
      throw new AnagateError('NOT_SUPPORTED', reason);
    });
}
