// The parts of a graph that every node with a loop shares.
#include "manifest/ovms_tasks.h"

namespace castool::manifest {

void write_loopback_mark(PbtxtWriter& out) {
  out.open("input_stream_info:");
  out.text("tag_index", "LOOPBACK:0");
  out.literal("back_edge", "true");
  out.close();
}

void write_loopback_handler(PbtxtWriter& out) {
  out.open("input_stream_handler");
  out.text("input_stream_handler", "SyncSetInputStreamHandler");
  out.open("options");
  out.open("[mediapipe.SyncSetInputStreamHandlerOptions.ext]");
  out.open("sync_set");
  out.text("tag_index", "LOOPBACK:0");
  out.close();
  out.close();
  out.close();
  out.close();
}

}  // namespace castool::manifest
