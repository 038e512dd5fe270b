#include "fetch/address_scope.h"

#include <gtest/gtest.h>

namespace castool::fetch {
namespace {

TEST(ScopeOfHost, KnowsEverySpellingOfPrivateHosts) {
  for (const char* host : {"127.0.0.1",
                           "127.1",
                           "127.255.255.254",
                           "0x7f000001",
                           "0x7f.0.0.1",
                           "0177.0.0.1",
                           "2130706433",
                           "017700000001",
                           "localhost",
                           "LOCALHOST",
                           "localhost.",
                           "a.localhost",
                           "::1",
                           "[::1]",
                           "0:0:0:0:0:0:0:1",
                           "::ffff:127.0.0.1",
                           "::ffff:7f00:1",
                           "::127.0.0.1",
                           "64:ff9b::7f00:1",
                           "2002:7f00:1::",
                           "0.0.0.0",
                           "0",
                           "::",
                           "10.0.0.1",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "100.64.0.1",
                           "100.127.255.255",
                           "169.254.169.254",
                           "0xa9fea9fe",
                           "2852039166",
                           "0251.0376.0251.0376",
                           "169.254.43518",
                           "::ffff:169.254.169.254",
                           "[::ffff:a9fe:a9fe]",
                           "fe80::1",
                           "fe80::1%eth0",
                           "febf::1",
                           "fd00::1",
                           "fc00::1",
                           "fec0::1",
                           "ff02::1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "198.18.0.1",
                           "192.0.2.1",
                           "2001:db8::1",
                           "2001::1",
                           "64:ff9b:1::1",
                           "metadata.google.internal",
                           "printer.local",
                           "intranet",
                           "",
                           "router.lan"}) {
    EXPECT_NE(scope_of_host(host), AddressScope::kPublic) << host;
  }
}

TEST(ScopeOfHost, LetsPublicHostsPass) {
  for (const char* host : {"8.8.8.8", "huggingface.co", "172.15.0.1", "172.32.0.1", "100.63.0.1",
                           "100.128.0.1", "169.253.0.1", "2606:4700::1", "[2a00:1450::1]",
                           "::ffff:8.8.8.8", "local.example.com", "9.255.255.255", "11.0.0.1"}) {
    EXPECT_EQ(scope_of_host(host), AddressScope::kPublic) << host;
  }
}

TEST(ScopeOfAddress, TellsTheKindsApartAndRefusesWhatItCannotRead) {
  EXPECT_EQ(scope_of_address("127.0.0.1"), AddressScope::kLoopback);
  EXPECT_EQ(scope_of_address("::1"), AddressScope::kLoopback);
  EXPECT_EQ(scope_of_address("169.254.169.254"), AddressScope::kLinkLocal);
  EXPECT_EQ(scope_of_address("fe80::1"), AddressScope::kLinkLocal);
  EXPECT_EQ(scope_of_address("10.1.2.3"), AddressScope::kPrivate);
  EXPECT_EQ(scope_of_address("example.com"), AddressScope::kPrivate);
  EXPECT_EQ(scope_of_address("1.1.1.1"), AddressScope::kPublic);
}

}  // namespace
}  // namespace castool::fetch
