// Models that other hosts ask this store for and that it has not, or not in whole
// (serve --registry): brought here as they are asked for.
//
// A model that is not here is pulled lazily first: its ref, manifest and small files. Large blobs
// come as they are read; what was begun is completed in the background.
//
//   1. Only from registries that callers may name, with this server's credentials.
//   2. The last byte of a blob goes out after its sha256 was checked, so that whoever has got all
//   of
//      it has got what its digest says. A stream that breaks off is an error to clients.
//
// Safe from any thread.
#pragma once

#include <functional>
#include <memory>

#include "api/http.h"
#include "api/names.h"
#include "base/byte_range.h"
#include "base/log.h"
#include "base/result.h"
#include "manifest/ref_record.h"
#include "manifest/source.h"
#include "pull/lazy_blobs.h"
#include "pull/on_demand_pulls.h"

namespace castool::api {

class PullThrough {
 public:
  // `pulls` pulls lazily; both outlive this and the streams.
  PullThrough(Registries registries, pull::OnDemandPulls& pulls, pull::LazyBlobs& blobs,
              base::Log& log)
      : registries_(std::move(registries)), pulls_(pulls), blobs_(blobs), log_(log) {}

  // Until its ref is there. kUnauthorized for a registry that is not on the list, kCancelled when
  // `gone` says that nobody waits any more, else as pulling it fails.
  [[nodiscard]] base::Status bring(const manifest::Source& source,
                                   const std::function<bool()>& gone);

  // Whether what that ref lacks may be asked for.
  [[nodiscard]] bool may_complete(const manifest::RefRecord& record) const;
  // The bytes of a blob of that model; ends early when they are not to be had.
  [[nodiscard]] base::Result<std::unique_ptr<BodyStream>> read(const manifest::RefRecord& record,
                                                               const base::Digest& digest,
                                                               std::uint64_t size,
                                                               const base::ByteRange& range);

 private:
  const Registries registries_;
  pull::OnDemandPulls& pulls_;
  pull::LazyBlobs& blobs_;
  base::Log& log_;
};

}  // namespace castool::api
