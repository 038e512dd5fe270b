#include "pull/window_sink.h"

namespace castool::pull {

base::Result<std::unique_ptr<fetch::RangeWriter>> WindowSink::claim(std::uint64_t max_bytes) {
  CASTOOL_ASSIGN(auto chunks, blob_.partial->claim(window_.offset, max_bytes, window_));
  if (!chunks) return std::unique_ptr<fetch::RangeWriter>();
  return make_store_writer(blob_, std::move(chunks));
}

bool WindowSink::complete() {
  if (blob_.partial->present(window_)) return true;
  // Another process may have brought it. A table that cannot be read shows at the next claim.
  static_cast<void>(blob_.partial->refresh());
  return blob_.partial->present(window_);
}

base::Status WindowSink::forget(const base::ByteRange& range) {
  return blob_.partial->invalidate(range);
}

}  // namespace castool::pull
