#include "pull/blob_fetcher.h"

#include <utility>

#include <fmt/format.h>

namespace castool::pull {
namespace {

// Rounds in which another process may take chunks away from under us before we give up.
constexpr int kRounds = 4;

}  // namespace

base::Status BlobFetcher::fetch(const BlobRequest& request, std::stop_token stop) {
  for (int round = 0; round < kRounds; ++round) {
    CASTOOL_ASSIGN(const bool have, verifier_.stored(request.key));
    if (have) {
      request.progress->finish();
      return base::ok();
    }
    CASTOOL_ASSIGN(std::shared_ptr<cas::Partial> partial,
                   store_.open_partial(request.key, cas::Preallocate::kYes, stop));
    IncomingBlob blob{partial, std::make_shared<cas::PrefixHasher>(*partial), request.progress, {}};
    request.progress->raise_to(partial->bytes_present());
    CASTOOL_RETURN_IF_ERROR(verifier_.download(request, blob, stop));
    CASTOOL_ASSIGN(const auto ended, verifier_.settle(request, blob, stop));
    if (ended == BlobVerifier::Ended::kLookAgain) continue;
    request.progress->finish();
    return base::ok();
  }
  return base::make_error(base::Code::kBusy,
                          fmt::format("other processes keep changing {} while it is fetched",
                                      request.key.digest.text()));
}

}  // namespace castool::pull
