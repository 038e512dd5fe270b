#include "fetch/replica.h"

#include "fetch/url.h"

namespace castool::fetch {
namespace {

std::string without_query(const std::string& url) { return url.substr(0, url.find('?')); }

std::optional<Origin> origin(const std::string& url) {
  auto parsed = origin_of(url);
  if (!parsed) return std::nullopt;
  return *std::move(parsed);
}

}  // namespace

std::optional<std::string> strong_etag(const Headers& headers) {
  auto etag = headers.get("ETag");
  const bool strong = etag && etag->size() > 2 && etag->front() == '"' && etag->back() == '"';
  return strong ? etag : std::nullopt;
}

bool loses_replica(const Outcome& outcome) {
  switch (outcome.end) {
    case TransferEnd::kConnect:
    case TransferEnd::kDns:
    case TransferEnd::kTls:
    case TransferEnd::kStalled:
    case TransferEnd::kProtocol:
    case TransferEnd::kAmbiguous:
    case TransferEnd::kForbidden:
    case TransferEnd::kProxyRefused: return true;
    case TransferEnd::kReset: return !outcome.bytes_arrived;
    case TransferEnd::kComplete:
    case TransferEnd::kAborted: break;
  }
  return outcome.status >= 400 && outcome.status != 429;
}

Replica::Verdict Replica::observe(const Hop& hop, const ResponseHead& head, Asked asked) {
  if (!place_ && asked == Asked::kNow) place_ = hop;
  if (!head.peer_address.empty() && asked == Asked::kNow) {
    const auto from = origin(hop.url);
    if (first_peer_.empty()) {
      first_peer_ = head.peer_address;
      peer_origin_ = from;
    } else if (from == peer_origin_ && head.peer_address != first_peer_) {
      peers_differ_ = true;
    }
  }
  const auto etag = strong_etag(head.headers);
  if (!etag || versions_ > kMostVersions) return Verdict::kSame;
  if (version_.empty() || version_of_ != without_query(hop.url)) {
    version_of_ = without_query(hop.url);
    version_ = *etag;
    return Verdict::kSame;
  }
  return *etag == version_ ? Verdict::kSame : Verdict::kOtherVersion;
}

std::string Replica::peer(const std::string& url) const {
  return peers_differ_ && origin(url) == peer_origin_ ? first_peer_ : std::string();
}

std::string Replica::version(const std::string& url) const {
  return version_of_ == without_query(url) ? version_ : std::string();
}

void Replica::forget_place() {
  place_.reset();
  peer_origin_.reset();
  first_peer_.clear();
  peers_differ_ = false;
}

void Replica::start_over() {
  forget_place();
  version_of_.clear();
  version_.clear();
  ++versions_;
}

}  // namespace castool::fetch
