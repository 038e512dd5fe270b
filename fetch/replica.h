// Which copy of a blob a download reads, so that ranges of different copies are not mixed (rows 33
// and 34 of the fault catalogue). A value without locks; answers are arguments.
//
// A blob stays with the place that first gave bytes: where a redirect led, and, once two ranges
// came from different hosts behind one name, the first of these. It stays with the version that a
// strong ETag names there. In the end it is the sha256 that decides; this saves the blob from being
// fetched twice for nothing, and an ETag that changes without reason from doing so for ever.
#pragma once

#include <optional>
#include <string>

#include "fetch/http.h"
#include "fetch/redirect_policy.h"
#include "fetch/retry_policy.h"

namespace castool::fetch {

// The ETag of an answer if it promises the same bytes (RFC 9110 §8.8.3: not W/"…").
[[nodiscard]] std::optional<std::string> strong_etag(const Headers& headers);

// Whether `outcome` is a reason to look for the blob in another place.
[[nodiscard]] bool loses_replica(const Outcome& outcome);

class Replica {
 public:
  // After so many changes of version ETags are not believed any more.
  static constexpr int kMostVersions = 3;

  enum class Verdict { kSame, kOtherVersion };
  enum class Asked { kNow, kBeforeTheAddress };
  // An answer with bytes of the blob came from `hop`. To one that was asked for before the address
  // was last asked for nothing more is sent: that place may be good for nothing any more.
  [[nodiscard]] Verdict observe(const Hop& hop, const ResponseHead& head,
                                Asked asked = Asked::kNow);

  // Where to ask for more; nullopt: where the address book says.
  [[nodiscard]] const std::optional<Hop>& place() const { return place_; }
  // The numeric address to connect to for a request to `url`; empty: any of its host's.
  [[nodiscard]] std::string peer(const std::string& url) const;
  // The ETag that an answer from `url` has to have; empty when any will do.
  [[nodiscard]] std::string version(const std::string& url) const;

  void forget_place();
  // What was fetched is dropped, and the next answer starts another version.
  void start_over();

 private:
  std::optional<Hop> place_;
  std::optional<Origin> peer_origin_;
  std::string first_peer_;
  bool peers_differ_ = false;
  std::string version_of_;  // the URL without its query, which may be a signature
  std::string version_;
  int versions_ = 1;
};

}  // namespace castool::fetch
