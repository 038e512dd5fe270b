// One large blob from its origin into the store: fetched once, verified, published.
//
//   1. A blob that is in the store is not fetched.
//   2. Any number of processes may run this for one blob: they share the chunks, one of them leads
//   the
//      verification, the others wait for the blob to appear.
//   3. Nothing is published whose sha256 is not its name (blob_verifier.h).
//
// Safe from any thread.
#pragma once

#include <stop_token>

#include "pull/blob_verifier.h"

namespace castool::pull {

class BlobFetcher {
 public:
  BlobFetcher(cas::Store& store, fetch::Downloader& downloader, base::Clock& clock, base::Log& log)
      : store_(store), verifier_(store, downloader, clock, log) {}

  // Returns when the blob is published and durable. kDigestMismatch names digest, chunks and host.
  [[nodiscard]] base::Status fetch(const BlobRequest& request, std::stop_token stop);

 private:
  cas::Store& store_;
  BlobVerifier verifier_;
};

}  // namespace castool::pull
