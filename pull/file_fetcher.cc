#include "pull/file_fetcher.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "base/hasher.h"
#include "cas/deliveries.h"
#include "pull/attach.h"
#include "pull/header_fetcher.h"
#include "pull/hub_error.h"
#include "pull/parallel.h"
#include "pull/quota.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Digest;
using base::Error;
using base::make_error;
using base::Result;
using base::Status;

// Threads, not connections: those that have none wait for one. A large blob has a thread that asks,
// one that hashes and one that syncs, so no more of them than could have a connection each.
constexpr std::size_t kMostLargeAtOnce = 16;
// A small file also spends time on the disk, where it needs no connection.
constexpr std::size_t kMostSmallAtOnce = 32;
constexpr int kWholeAttempts = 2;
constexpr std::size_t kReadSize = 256u << 10;

// Takes one copy of a file into an ingest and holds it against what the origin promised.
class Receiver {
 public:
  Receiver(cas::Store& store, const RemoteFile& file, FileProgress& progress)
      : store_(store), file_(file), progress_(progress), git_(file.size) {}

  // Before each attempt and each redirect; nothing is created before there is a byte to keep.
  Status restart() {
    ingest_.reset();
    sha256_ = base::Sha256();
    git_ = base::GitBlobHasher(file_.size);
    return base::ok();
  }

  Status take(std::span<const std::byte> bytes) {
    progress_.add_received(bytes.size());
    if (!ingest_) {
      CASTOOL_ASSIGN(ingest_, store_.begin_ingest());
    }
    if (ingest_->size() + bytes.size() > file_.size) return wrong("it is longer than announced");
    CASTOOL_RETURN_IF_ERROR(ingest_->append(bytes));
    sha256_.update(bytes);
    git_.update(bytes);
    progress_.raise_to(ingest_->size());
    return base::ok();
  }

  Result<Digest> commit() {
    if (!ingest_ || ingest_->size() != file_.size) return wrong("it is shorter than announced");
    const Digest got = sha256_.finish();
    if (file_.digest && got != *file_.digest) {
      return wrong(fmt::format("want {}, got {}", file_.digest->text(), got.text()));
    }
    if (file_.git_oid) {
      const base::GitOid oid = git_.finish();
      if (oid != *file_.git_oid) {
        return wrong(
            fmt::format("want git-sha1:{}, got git-sha1:{}", file_.git_oid->hex(), oid.hex()));
      }
    }
    return ingest_->commit();
  }

 private:
  Error wrong(std::string_view how) const {
    Error error = make_error(
        Code::kDigestMismatch,
        fmt::format("'{}' is not what the origin promises: {}", printable(file_.path), how),
        "nothing wrong was stored");
    if (file_.digest) error.digest = file_.digest->text();
    return error;
  }

  cas::Store& store_;
  const RemoteFile& file_;
  FileProgress& progress_;
  std::optional<cas::Ingest> ingest_;
  base::Sha256 sha256_;
  base::GitBlobHasher git_;
};

}  // namespace

Result<Digest> fetch_whole(cas::Store& store, ModelSource& source, const RemoteFile& file,
                           FileProgress& progress, std::stop_token stop) {
  Receiver receiver(store, file, progress);
  const auto once = [&]() -> Result<Digest> {
    CASTOOL_RETURN_IF_ERROR(source.read(
        file, [&] { return receiver.restart(); },
        [&](std::span<const std::byte> bytes) { return receiver.take(bytes); }, stop));
    return receiver.commit();
  };
  for (int attempt = 1;; ++attempt) {
    auto digest = once();
    // A second copy tells damage on the way from an origin that is wrong.
    const bool again = !digest && digest.error().code == Code::kDigestMismatch;
    if (!again || attempt == kWholeAttempts) return digest;
  }
}

Status verify_stored(const cas::Store& store, const Digest& digest, std::stop_token stop) {
  CASTOOL_ASSIGN(const auto blob, store.find(digest));
  Error damaged = make_error(Code::kDigestMismatch, digest.text() + " is damaged in the store",
                             "castool fsck --repair mends it");
  damaged.digest = digest.text();
  if (!blob) return damaged;
  base::Sha256 hasher;
  std::vector<std::byte> buffer(kReadSize);
  std::uint64_t offset = 0;
  for (;;) {
    if (stop.stop_requested()) return cancelled_error();
    const ssize_t got =
        ::pread(blob->fd.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::errno_error(errno, "read " + digest.text());
    if (got == 0) break;
    hasher.update(std::span(buffer).first(static_cast<std::size_t>(got)));
    offset += static_cast<std::uint64_t>(got);
  }
  if (hasher.finish() == digest) return base::ok();
  return damaged;
}

FileFetcher::FileFetcher(const PullContext& context, ModelSource& source, const RemoteModel& model,
                         const PullPlan& plan, Recheck recheck)
    : context_(context),
      source_(source),
      model_(model),
      plan_(plan),
      recheck_(recheck),
      digests_(plan.blobs.size()) {
  for (const auto& blob : plan_.blobs) {
    const RemoteFile& file = model_.files[blob.files.front()];
    progress_.push_back(std::make_shared<FileProgress>(
        file.label, blob.digest ? blob.digest->text() : std::string(), blob.size));
    if (blob.route == Route::kReuse && recheck_ == Recheck::kNo) progress_.back()->finish();
  }
}

Result<std::vector<Digest>> FileFetcher::run(int connections, std::stop_token stop) {
  std::vector<std::size_t> small, large;
  for (std::size_t i = 0; i < plan_.blobs.size(); ++i) {
    const Route route = plan_.blobs[i].route;
    (route == Route::kRanges || is_left(plan_.blobs[i]) ? large : small).push_back(i);
  }
  const auto width = static_cast<std::size_t>(std::max(connections, 1));
  const TaskGroup groups[] = {
      {small.size(), std::min(2 * width, kMostSmallAtOnce),
       [&](std::size_t i, std::stop_token inner) {
         return fetch_small(small[i], std::move(inner));
       }},
      {large.size(), std::min(width, kMostLargeAtOnce), [&](std::size_t i, std::stop_token inner) {
         return fetch_large(large[i], std::move(inner));
       }}};
  CASTOOL_RETURN_IF_ERROR(run_parallel(groups, stop));
  std::vector<Digest> digests;
  for (const auto& digest : digests_) {
    if (!digest) return make_error(Code::kInternal, "a planned file was passed over");
    digests.push_back(*digest);
  }
  return digests;
}

Status FileFetcher::fetch_small(std::size_t index, std::stop_token stop) {
  const PlannedBlob& blob = plan_.blobs[index];
  const RemoteFile& file = model_.files[blob.files.front()];
  FileProgress& progress = *progress_[index];
  if (blob.route == Route::kReuse) {
    if (recheck_ == Recheck::kYes) {
      CASTOOL_RETURN_IF_ERROR(verify_stored(context_.store, *blob.digest, std::move(stop)));
    }
    digests_[index] = blob.digest;
  } else if (blob.route == Route::kProve) {
    CASTOOL_RETURN_IF_ERROR(prove_possession(context_.store, context_.downloader,
                                             source_.addresses(file), *blob.digest,
                                             std::move(stop)));
    digests_[index] = blob.digest;
  } else if (blob.route == Route::kEmpty) {
    CASTOOL_ASSIGN(digests_[index], context_.store.put(""));
  } else {
    CASTOOL_ASSIGN(digests_[index],
                   fetch_whole(context_.store, source_, file, progress, std::move(stop)));
    if (blob.git_oid) {
      CASTOOL_RETURN_IF_ERROR(context_.store.put_alias(cas::origin_key(model_.origin),
                                                       *blob.git_oid, *digests_[index]));
    }
  }
  progress.finish();
  return base::ok();
}

// Whatever keeps the origin from it, the blob is then left to its readers, as if nobody had it.
Result<bool> FileFetcher::show_possession(const RemoteFile& file, const std::stop_token& stop) {
  const Status proved = prove_possession(context_.store, context_.downloader,
                                         source_.addresses(file), *file.digest, stop);
  if (!proved && proved.error().code == Code::kCancelled) return base::failure(proved);
  if (!proved || !check_quota_of(context_.store, context_.refs.ns(), *file.digest, file.size)) {
    return false;
  }
  const Status noted = cas::note_delivery(context_.store, model_.origin, *file.digest);
  if (!noted) context_.log.debug("{}", noted.error().text());
  return noted.has_value();
}

Status FileFetcher::fetch_large(std::size_t index, std::stop_token stop) {
  const PlannedBlob& blob = plan_.blobs[index];
  const RemoteFile& file = model_.files[blob.files.front()];
  BlobRequest request;
  request.key = {*file.digest, blob.size, model_.origin};
  request.addresses = source_.addresses(file);
  request.progress = progress_[index];
  digests_[index] = file.digest;
  if (blob.route == Route::kProveOrLater) {
    CASTOOL_ASSIGN(const bool shown, show_possession(file, stop));
    if (shown) {
      request.progress->finish();
      return base::ok();
    }
  }
  if (is_left(blob)) {
    return fetch_header(context_.store, context_.downloader, request, file.format, std::move(stop));
  }
  BlobFetcher fetcher(context_.store, context_.downloader, context_.clock, context_.log);
  return fetcher.fetch(request, std::move(stop));
}

}  // namespace castool::pull
