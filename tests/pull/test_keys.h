// Keys made for these tests alone, with ssh-keygen.
#pragma once

namespace castool::pull {

inline constexpr const char* kPlainKey =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n"
    "QyNTUxOQAAACATCM6v9ls7cwUqFCzefqEbk7oy88tmcD4W8Tgq3zGGRwAAAJjlLeNU5S3j\n"
    "VAAAAAtzc2gtZWQyNTUxOQAAACATCM6v9ls7cwUqFCzefqEbk7oy88tmcD4W8Tgq3zGGRw\n"
    "AAAEAUidwQheE4tiLQOfbYtoHq6JX4itycm2UqKNc5jVIXRBMIzq/2WztzBSoULN5+oRuT\n"
    "ujLzy2ZwPhbxOCrfMYZHAAAAEGNhc3Rvb2wgdGVzdCBrZXkBAgMEBQ==\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

inline constexpr const char* kEncryptedKey =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBPBA4ijn\n"
    "mHSI48qWp6GP9YAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIBsBOFFrNZDhJoL7\n"
    "aDQ29mAcjaqFilUXJgNdx74sErpWAAAAkOtbCo6ae/NroGfRNGraH/lQzn9Vsa1QwyBFHL\n"
    "syG2UyhVP8Djk/wl0rABxy8M0bw5k+UQzt8DOgBBfLC3fyU34lsP+Fx216QO5Zu13GYb9v\n"
    "iaz8TbWeVsbxT0txkChp9jkvSkyJCYUy7amXK7MpthBN04UowtaQ/xPKtZy92kgWkI2lrV\n"
    "f1ygN2KhDk7O5/Pg==\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

inline constexpr const char* kEcdsaKey =
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS\n"
    "1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQShKUsXIFpDWgawk/++afYxpjyj0PCF\n"
    "FBOhHLI7ylEhYH9YQyNCZqF20wkK2awNKfXNFG65iWlZ+16mRhAtU3qsAAAAoKbHfXimx3\n"
    "14AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKEpSxcgWkNaBrCT\n"
    "/75p9jGmPKPQ8IUUE6EcsjvKUSFgf1hDI0JmoXbTCQrZrA0p9c0UbrmJaVn7XqZGEC1Teq\n"
    "wAAAAgGd4hhu+RY9hp862B1X7UKLB63TfrAfbhgtcTOEyqLTwAAAACZWMBAgMEBQY=\n"
    "-----END OPENSSH PRIVATE KEY-----\n";

}  // namespace castool::pull
