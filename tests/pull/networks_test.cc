// Where requests may go that somebody else named.
#include "pull/networks.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/pull/fake_transport.h"

namespace castool::pull {
namespace {

using fetch::Reach;

Reach reach(const std::string& source, const Origins& origins, std::set<std::string> chosen = {}) {
  return reach_of(manifest::parse_source(source).value(), origins, chosen);
}

TEST(ReachOf, IsWhatWhoeverStartedUsChose) {
  const Origins known;
  Origins own;
  own.hub_endpoint = "http://10.0.0.2";
  own.ollama_registry = "http://10.0.0.3";
  for (const char* source : {"hf://acme/m", "ollama://tiny:1b", "ollama://hf.co/acme/m:Q4",
                             "ollama://huggingface.co/acme/m:Q4"}) {
    EXPECT_EQ(reach(source, known), Reach::kPublicOnly) << source;
    EXPECT_EQ(reach(source, own), Reach::kAnywhere) << source;
  }
  const std::string other = "ollama://registry.lan/acme/m:1b";
  EXPECT_EQ(reach(other, own), Reach::kPublicOnly);
  EXPECT_EQ(reach(other, known, {"registry.lan"}), Reach::kAnywhere);
  // A name on the list of registries is not the choice of an address for the default ones.
  EXPECT_EQ(reach("ollama://tiny:1b", known, {"registry.ollama.ai"}), Reach::kPublicOnly);
  EXPECT_EQ(reach("ollama://hf.co/acme/m:Q4", known, {"hf.co"}), Reach::kPublicOnly);
}

TEST(Networks, HoldEveryRequestToItsReach) {
  base::SystemClock clock;
  const auto log = base::make_null_log();
  FakeTransport* transport = nullptr;
  Networks networks(
      [&] {
        auto made = std::make_unique<FakeTransport>([](const fetch::HttpRequest&) {
          FakeAnswer answer;
          answer.body = "{}";
          return answer;
        });
        transport = made.get();
        return made;
      },
      {}, clock, *log);
  const auto ask = [&](Network& network) {
    fetch::HttpRequest request;
    request.url = "https://registry.test/v2/";
    ASSERT_TRUE(network.http.fetch(request, {}, {}));
  };
  ask(*networks.of("https://registry.test acme/m", Reach::kPublicOnly).value());
  ask(*networks.of("https://registry.test acme/m").value());
  const auto requests = transport->requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].reach, Reach::kPublicOnly);
  EXPECT_EQ(requests[1].reach, Reach::kAnywhere);
  EXPECT_NE(networks.of("https://registry.test", Reach::kPublicOnly).value(),
            networks.of("https://registry.test").value());
}

}  // namespace
}  // namespace castool::pull
