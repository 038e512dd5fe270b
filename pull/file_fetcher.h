// Carries out a plan: every blob of it is in the store afterwards, verified and durable, but for
// those that are left to their readers: of these the header is on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "pull/blob_fetcher.h"
#include "pull/model_source.h"
#include "pull/progress.h"
#include "pull/pull_plan.h"
#include "pull/puller.h"

namespace castool::pull {

// One content fetched by one request into the store: size, sha256 and git id are checked, as far as
// they are known, before anything is published; a wrong copy is asked for once more.
[[nodiscard]] base::Result<base::Digest> fetch_whole(cas::Store& store, ModelSource& source,
                                                     const RemoteFile& file, FileProgress& progress,
                                                     std::stop_token stop);

// Hashes a stored blob again. kDigestMismatch when its bytes have rotted.
[[nodiscard]] base::Status verify_stored(const cas::Store& store, const base::Digest& digest,
                                         std::stop_token stop);

class FileFetcher {
 public:
  // All outlive this.
  FileFetcher(const PullContext& context, ModelSource& source, const RemoteModel& model,
              const PullPlan& plan, Recheck recheck);

  // One for each blob of the plan, in its order. What is here already and is not verified again is
  // complete from the start.
  [[nodiscard]] const std::vector<std::shared_ptr<FileProgress>>& progress() const {
    return progress_;
  }
  // Fetches what is missing, small content and large blobs beside each other; the budget of
  // HttpClient and Downloader keeps all of it to `connections`. The digest of each blob of the
  // plan, in its order.
  [[nodiscard]] base::Result<std::vector<base::Digest>> run(int connections, std::stop_token stop);

 private:
  [[nodiscard]] base::Status fetch_small(std::size_t blob, std::stop_token stop);
  [[nodiscard]] base::Result<bool> show_possession(const RemoteFile& file,
                                                   const std::stop_token& stop);
  [[nodiscard]] base::Status fetch_large(std::size_t blob, std::stop_token stop);

  const PullContext& context_;
  ModelSource& source_;
  const RemoteModel& model_;
  const PullPlan& plan_;
  const Recheck recheck_;
  std::vector<std::shared_ptr<FileProgress>> progress_;
  // Each written by the one task of its blob.
  std::vector<std::optional<base::Digest>> digests_;
};

}  // namespace castool::pull
