#include "pull/blob_verifier.h"

#include <utility>

#include <fmt/format.h>

#include "cas/deliveries.h"
#include "pull/compare_sink.h"
#include "pull/waiting.h"

namespace castool::pull {
namespace {

using base::Code;
using base::Digest;
using base::Error;
using base::make_error;
using base::Result;
using base::Status;

constexpr auto kLeadPoll = std::chrono::milliseconds(100);
// Another process may be this slow in bytes a second before we call it stuck: it may have to fetch
// a second copy.
constexpr std::uint64_t kSlowestVerification = 1'000'000;
constexpr auto kLeadGrace = std::chrono::minutes(2);
constexpr std::size_t kMostNamedChunks = 8;

// Gives a fresh address first and then what the book knows.
class FreshFirst final : public fetch::AddressBook {
 public:
  explicit FreshFirst(std::shared_ptr<fetch::AddressBook> book) : book_(std::move(book)) {}
  [[nodiscard]] Result<fetch::BlobAddress> address(Need need, std::stop_token stop) override {
    return book_->address(std::exchange(fresh_given_, true) ? need : Need::kFresh, stop);
  }

 private:
  const std::shared_ptr<fetch::AddressBook> book_;
  bool fresh_given_ = false;
};

std::string list_chunks(const std::vector<base::ByteRange>& chunks) {
  std::string text;
  for (std::size_t i = 0; i < chunks.size() && i < kMostNamedChunks; ++i) {
    text += fmt::format("{}{}+{}", i == 0 ? "" : ", ", chunks[i].offset, chunks[i].length);
  }
  if (chunks.size() > kMostNamedChunks) {
    text += fmt::format(" and {} more", chunks.size() - kMostNamedChunks);
  }
  return text;
}

}  // namespace

Result<bool> BlobVerifier::stored(const cas::PartialKey& key) const {
  CASTOOL_ASSIGN(const auto size, store_.size_of(key.digest));
  if (!size || !cas::may_attach(store_, key.origin, key.digest)) return false;
  if (*size == key.size) return true;
  Error error =
      make_error(Code::kDigestMismatch, fmt::format("{} has {} bytes here, and the origin says {}",
                                                    key.digest.text(), *size, key.size));
  error.digest = key.digest.text();
  return error;
}

Status BlobVerifier::download(const BlobRequest& request, const IncomingBlob& blob,
                              std::stop_token stop) {
  if (blob.partial->complete()) return base::ok();
  fetch::BlobJob job;
  job.label = request.key.digest.text();
  job.sink = std::make_shared<StoreSink>(blob);
  job.addresses = request.addresses;
  job.priority = request.priority;
  return downloader_.run(job, stop);
}

Result<BlobVerifier::Ended> BlobVerifier::settle(const BlobRequest& request, IncomingBlob& blob,
                                                 std::stop_token stop) {
  base::UniqueFd leadership;
  CASTOOL_ASSIGN(const Lead lead, wait_to_lead(request, *blob.partial, leadership, stop));
  if (lead == Lead::kPublishedByOther) return Ended::kLookAgain;
  // A former leader may have dropped chunks that it found wrong.
  CASTOOL_RETURN_IF_ERROR(blob.partial->refresh());
  if (!blob.partial->complete()) return Ended::kLookAgain;
  const Status verified = verify(request, blob, stop);
  if (verified) return Ended::kPublished;
  if (verified.error().code != Code::kBusy || blob.partial->complete()) {
    return base::failure(verified);
  }
  // What was lost meanwhile comes again, or the reason is told for which it cannot.
  CASTOOL_RETURN_IF_ERROR(download(request, blob, stop));
  return Ended::kLookAgain;
}

Result<BlobVerifier::Lead> BlobVerifier::wait_to_lead(const BlobRequest& request,
                                                      cas::Partial& partial,
                                                      base::UniqueFd& leadership,
                                                      std::stop_token stop) {
  const auto patience = kLeadGrace + std::chrono::seconds(request.key.size / kSlowestVerification);
  const auto deadline = clock_.now() + clock_.scaled(patience);
  for (;;) {
    CASTOOL_ASSIGN(auto lead, partial.try_lead());
    if (lead) {
      leadership = *std::move(lead);
      return Lead::kOurs;
    }
    CASTOOL_ASSIGN(const bool have, stored(request.key));
    if (have) return Lead::kPublishedByOther;
    if (clock_.now() >= deadline) {
      return make_error(Code::kBusy,
                        fmt::format("another process has been verifying {} for too long",
                                    request.key.digest.text()));
    }
    if (!wait_unless_stopped(clock_, kLeadPoll, stop)) return cancelled_error();
  }
}

Result<Digest> BlobVerifier::complete_and_hash(const BlobRequest& request, IncomingBlob& blob,
                                               std::stop_token stop) {
  blob.hasher.reset();
  CASTOOL_RETURN_IF_ERROR(download(request, blob, stop));
  blob.hasher = std::make_shared<cas::PrefixHasher>(*blob.partial);
  blob.hasher->wake();
  return blob.hasher->finish(stop);
}

Status BlobVerifier::verify(const BlobRequest& request, IncomingBlob& blob, std::stop_token stop) {
  blob.hasher->wake();
  CASTOOL_ASSIGN(const Digest digest, blob.hasher->finish(stop));
  if (digest == request.key.digest) return blob.partial->publish(digest, stop);
  log_.info("{}: the bytes that arrived hash to {}; looking for the bad chunks",
            request.key.digest.text(), digest.text());
  return repair(request, blob, stop);
}

Status BlobVerifier::repair(const BlobRequest& request, IncomingBlob& blob, std::stop_token stop) {
  cas::Partial& partial = *blob.partial;
  // First what costs no traffic: chunks that changed on disk, and a front that was hashed before
  // another process replaced a chunk behind it.
  CASTOOL_ASSIGN(const auto rotten, partial.recheck());
  if (!rotten.empty()) log_.warn("chunks changed on disk: {}", list_chunks(rotten));
  if (request.on_repair) request.on_repair(rotten);
  CASTOOL_ASSIGN(Digest digest, complete_and_hash(request, blob, stop));
  if (digest == request.key.digest) return partial.publish(digest, stop);

  CASTOOL_ASSIGN(const auto disputed, compare(request, blob.partial, stop));
  if (disputed.empty()) return reject(request, partial, digest, disputed);
  log_.info("two copies of {} differ at {}", request.key.digest.text(), list_chunks(disputed));
  CASTOOL_ASSIGN(digest, complete_and_hash(request, blob, stop));
  if (digest == request.key.digest) return partial.publish(digest, stop);

  // Each copy may have been damaged elsewhere: of a few chunks a third one decides. Many are no
  // accident of a transfer.
  if (disputed.size() > partial.chunk_count() / 2) {
    return reject(request, partial, digest, disputed);
  }
  for (const auto& chunk : disputed) CASTOOL_RETURN_IF_ERROR(partial.invalidate(chunk));
  CASTOOL_ASSIGN(digest, complete_and_hash(request, blob, stop));
  if (digest == request.key.digest) return partial.publish(digest, stop);
  return reject(request, partial, digest, disputed);
}

Result<std::vector<base::ByteRange>> BlobVerifier::compare(const BlobRequest& request,
                                                           std::shared_ptr<cas::Partial> partial,
                                                           std::stop_token stop) {
  const auto sink = std::make_shared<CompareSink>(std::move(partial));
  fetch::BlobJob job;
  job.label = request.key.digest.text();
  job.sink = sink;
  job.addresses = std::make_shared<FreshFirst>(request.addresses);
  job.priority = request.priority;
  CASTOOL_RETURN_IF_ERROR(downloader_.run(job, stop));
  request.progress->add_received(request.key.size);
  return sink->differing();
}

Error BlobVerifier::reject(const BlobRequest& request, cas::Partial& partial, const Digest& got,
                           const std::vector<base::ByteRange>& disputed) {
  // Nobody may resume from bytes that are known not to add up.
  if (auto dropped = partial.invalidate({0, request.key.size}); !dropped) {
    return std::move(dropped).error();
  }
  std::string host = "its origin";
  if (auto address = request.addresses->address(fetch::AddressBook::Need::kAny, {})) {
    if (auto origin = fetch::origin_of(address->url)) host = origin->host;
  }
  const std::string chunks =
      disputed.empty()
          ? "a second copy is the same in every chunk of 0+" + std::to_string(request.key.size)
          : "two copies differ in the chunks " + list_chunks(disputed);
  Error error = make_error(Code::kDigestMismatch,
                           fmt::format("{} does not send what it promises: want {}, got {}; {}",
                                       host, request.key.digest.text(), got.text(), chunks),
                           "nothing was published; the origin has to be put right");
  error.digest = request.key.digest.text();
  return error;
}

}  // namespace castool::pull
