// One large blob from its origin into the store: fetched once, verified, published.
//
//   1. A blob that is in the store is not fetched.
//   2. Any number of processes may run this for one blob: they share the chunks, one of them leads
//   the
//      verification, the others wait for the blob to appear.
//   3. Nothing is published whose sha256 is not its name. On a mismatch the bad chunks are looked
//   for:
//      rot on disk by the recorded checksums, damage on the way by a second copy, which costs one
//      more download; only they are replaced. If the origin itself is wrong that is the error, and
//      nothing bad is reused.
//
// Safe from any thread.
#pragma once

#include <memory>
#include <stop_token>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "cas/partial.h"
#include "cas/store.h"
#include "fetch/downloader.h"
#include "pull/progress.h"
#include "pull/store_sink.h"

namespace castool::pull {

struct BlobRequest {
  cas::PartialKey key;
  std::shared_ptr<fetch::AddressBook> addresses;
  std::shared_ptr<FileProgress> progress;
};

class BlobFetcher {
 public:
  BlobFetcher(cas::Store& store, fetch::Downloader& downloader, base::Clock& clock, base::Log& log)
      : store_(store), downloader_(downloader), clock_(clock), log_(log) {}

  // Returns when the blob is published and durable. kDigestMismatch names digest, chunks and host.
  [[nodiscard]] base::Status fetch(const BlobRequest& request, std::stop_token stop);

 private:
  enum class Lead { kOurs, kPublishedByOther };

  [[nodiscard]] base::Result<bool> stored(const cas::PartialKey& key) const;
  [[nodiscard]] base::Status download(const BlobRequest& request, const IncomingBlob& blob,
                                      std::stop_token stop);
  [[nodiscard]] base::Result<Lead> wait_to_lead(const BlobRequest& request, cas::Partial& partial,
                                                base::UniqueFd& leadership, std::stop_token stop);
  // Fetches what is missing and hashes everything.
  [[nodiscard]] base::Result<base::Digest> complete_and_hash(const BlobRequest& request,
                                                             IncomingBlob& blob,
                                                             std::stop_token stop);
  [[nodiscard]] base::Status verify(const BlobRequest& request, IncomingBlob& blob,
                                    std::stop_token stop);
  [[nodiscard]] base::Status repair(const BlobRequest& request, IncomingBlob& blob,
                                    std::stop_token stop);
  [[nodiscard]] base::Result<std::vector<base::ByteRange>> compare(
      const BlobRequest& request, std::shared_ptr<cas::Partial> partial, std::stop_token stop);
  [[nodiscard]] base::Error reject(const BlobRequest& request, cas::Partial& partial,
                                   const base::Digest& got,
                                   const std::vector<base::ByteRange>& disputed);

  cas::Store& store_;
  fetch::Downloader& downloader_;
  base::Clock& clock_;
  base::Log& log_;
};

}  // namespace castool::pull
