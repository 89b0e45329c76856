{
  "targets": [
    {
      "target_name": "node_rados",
      "sources": [
        "native/addon.cc",
        "native/call.cc",
        "native/cluster.cc",
        "native/context.cc",
        "native/environment.cc",
        "native/handles.cc",
        "native/image.cc",
        "native/image-io.cc",
        "native/operations.cc",
        "native/pool.cc",
        "native/thread-pool.cc"
      ],
      "defines": ["NAPI_VERSION=8"],
      "libraries": ["-lrbd", "-lrados"],
      # a worker's end must not unmap the code under the feet of the pool's threads
      "ldflags": ["-Wl,-z,nodelete"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fexceptions", "-fvisibility=hidden"],
      "cflags_cc!": ["-fno-exceptions", "-std=gnu++17"],
      "variables": { "sanitize%": "" },
      "conditions": [
        ["sanitize!=''", { "cflags_cc": ["-fsanitize=<(sanitize)", "-fno-omit-frame-pointer"], "ldflags": ["-fsanitize=<(sanitize)"] }]
      ]
    }
  ]
}
