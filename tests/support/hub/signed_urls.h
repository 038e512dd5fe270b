// Addresses on the CDN that carry their own permission, and expire.
//
// Two forms, as the two kinds of origin hand out (reference: CloudFront's and S3's query strings):
//   ?...&Expires=<unix>&Policy=<policy>&Signature=<hex>&Key-Pair-Id=TESTHUB
//   ?X-Amz-Date=<date>&X-Amz-Expires=<s>&X-Amz-Policy=<policy>&X-Amz-Signature=<hex>
// policy = "<milliseconds since 1970 at which it ends>.<generation>". Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "tests/support/hub/http.h"

namespace castool::hub {

class SignedUrls {
 public:
  enum class Form { kCloudFront, kS3 };
  enum class Verdict { kGood, kExpired, kForged };

  // The query to put after '?' of `path`.
  [[nodiscard]] std::string sign(const std::string& path, double seconds, Form form) const;
  [[nodiscard]] Verdict check(const Request& request) const;
  // Everything signed so far is expired from now on.
  void expire_all() { ++generation_; }

 private:
  std::atomic<std::uint64_t> generation_ = 0;
};

}  // namespace castool::hub
