// What tests of the client for small requests share.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "fetch/http_client.h"
#include "tests/fetch/recording_clock.h"
#include "tests/support/scripted_transport.h"

namespace castool::fetch {

class HttpClientTest : public ::testing::Test {
 protected:
  base::Result<HttpResponse> fetch(testing::ScriptedTransport& transport, const std::string& url,
                                   const FetchOptions& options = {}, std::stop_token stop = {}) {
    HttpClient client(transport, clock_, *log_);
    HttpRequest request;
    request.url = url;
    request.stall_timeout = stall_timeout_;
    return client.fetch(request, options, std::move(stop));
  }

  // The clock shortens time-outs too: the usual one would leave a busy machine 30 ms for an answer.
  std::chrono::nanoseconds stall_timeout_ = std::chrono::hours(24);
  RecordingClock clock_;
  std::unique_ptr<base::Log> log_ = base::make_null_log();
};

}  // namespace castool::fetch
