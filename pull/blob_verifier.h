// From a blob whose chunks are all here to one that is stored: hashed, mended if need be,
// published.
//
// Any number of processes may run this for one partial: one of them leads. On a mismatch the bad
// chunks are looked for: rot on disk by the recorded checksums, damage on the way by a second copy,
// which costs one more download; only they are replaced. If the origin itself is wrong that is the
// error, and nothing bad is reused.
//
// Safe from any thread.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

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
  fetch::Priority priority = fetch::Priority::kBackground;
  // Told once the bytes have proved wrong and before chunks that came from the origin are replaced:
  // those that changed on disk, which are dropped already. May be empty.
  std::function<void(const std::vector<base::ByteRange>& rotten)> on_repair;
};

class BlobVerifier {
 public:
  BlobVerifier(cas::Store& store, fetch::Downloader& downloader, base::Clock& clock, base::Log& log)
      : store_(store), downloader_(downloader), clock_(clock), log_(log) {}

  // Whether the blob is in the store, delivered by the key's origin; kDigestMismatch when it is
  // there with another size.
  [[nodiscard]] base::Result<bool> stored(const cas::PartialKey& key) const;
  // Fetches every chunk that is missing.
  [[nodiscard]] base::Status download(const BlobRequest& request, const IncomingBlob& blob,
                                      std::stop_token stop);

  enum class Ended {
    kPublished,
    kLookAgain,  // another process published it, or took chunks away that it found wrong
  };
  // `blob` is complete and has a hasher. kDigestMismatch names digest, chunks and host.
  [[nodiscard]] base::Result<Ended> settle(const BlobRequest& request, IncomingBlob& blob,
                                           std::stop_token stop);

 private:
  enum class Lead { kOurs, kPublishedByOther };

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
