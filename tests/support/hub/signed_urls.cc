#include "tests/support/hub/signed_urls.h"

#include <cmath>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/hasher.h"

namespace castool::hub {
namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string signature(const std::string& path, const std::string& policy) {
  // Not a secret worth the name: it has to tell an address from a changed one, no more.
  return base::Sha256::of(fmt::format("castool test hub\n{}\n{}", path, policy)).hex();
}

}  // namespace

std::string SignedUrls::sign(const std::string& path, double seconds, Form form) const {
  const std::int64_t end = now_ms() + std::llround(seconds * 1000);
  const std::string policy = fmt::format("{}.{}", end, generation_.load());
  if (form == Form::kCloudFront) {
    return fmt::format("X-Xet-Cas-Uid=public&Expires={}&Policy={}&Signature={}&Key-Pair-Id=TESTHUB",
                       end / 1000, policy, signature(path, policy));
  }
  return fmt::format(
      "X-Amz-Date={:%Y%m%dT%H%M%SZ}&X-Amz-Expires={}&X-Amz-Policy={}&X-Amz-Signature={}",
      fmt::gmtime(system_clock::to_time_t(system_clock::now())), std::llround(seconds), policy,
      signature(path, policy));
}

SignedUrls::Verdict SignedUrls::check(const Request& request) const {
  const bool cloud_front = request.parameter("Policy").has_value();
  const std::string policy =
      request.parameter(cloud_front ? "Policy" : "X-Amz-Policy").value_or("");
  const std::string given =
      request.parameter(cloud_front ? "Signature" : "X-Amz-Signature").value_or("");
  if (policy.empty() || given != signature(request.path, policy)) return Verdict::kForged;
  const std::vector<std::string> parts = split(policy, '.');
  if (parts.size() != 2) return Verdict::kForged;
  const bool good = std::stoll(parts[0]) > now_ms() && std::stoull(parts[1]) == generation_;
  return good ? Verdict::kGood : Verdict::kExpired;
}

}  // namespace castool::hub
