"""A client of the Gateway service as ceph-nvmeof's own is one: stubs made by protoc, requests and answers as protobuf's JSON.

client.py STUBS ADDRESS reads one JSON array from standard input, [[rpc, request], ...], calls the RPCs in this order and writes one
line of JSON for each: {"rpc", "code", "answer"}. code is the name of the gRPC status. Before, it writes {"rpcs": [...]}, all
that the service has.
"""
import json
import sys

sys.path.insert(0, sys.argv[1])

import grpc
import gateway_pb2 as pb2
import gateway_pb2_grpc as pb2_grpc
from google.protobuf import json_format

LIMIT_S = 30


def say(line):
    print(json.dumps(line), flush=True)


def call(stub, method, request):
    message = json_format.ParseDict(request, getattr(pb2, method.input_type.name)())
    try:
        answer = getattr(stub, method.name)(message, timeout=LIMIT_S)
    except grpc.RpcError as error:
        return {"rpc": method.name, "code": error.code().name, "answer": {}}
    fields = json_format.MessageToDict(
        answer, including_default_value_fields=True, preserving_proto_field_name=True
    )
    return {"rpc": method.name, "code": "OK", "answer": fields}


methods = pb2.DESCRIPTOR.services_by_name["Gateway"].methods_by_name
say({"rpcs": list(methods.keys())})
with grpc.insecure_channel(sys.argv[2]) as channel:
    stub = pb2_grpc.GatewayStub(channel)
    for rpc, request in json.load(sys.stdin):
        say(call(stub, methods[rpc], request))
