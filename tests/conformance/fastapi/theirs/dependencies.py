from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException, status
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

ISSUER = "https://login.example.org"
KEY = "0123456789abcdef0123456789abcdef"
PASSWORDS = {"ada": "analytical", "root": "engine"}
SCOPES = {"ada": ["items:write"], "root": ["items:write", "admin"]}


class User(BaseModel):
    username: str
    scopes: list[str]


oauth2 = OAuth2PasswordBearer(tokenUrl="login")


def create_token(username: str) -> str:
    expires = datetime.now(UTC) + timedelta(minutes=30)
    claims = {"sub": username, "exp": expires, "aud": "shop", "iss": ISSUER}
    return jwt.encode(claims, KEY, algorithm="HS256")


def current_user(token: Annotated[str, Depends(oauth2)]) -> User:
    try:
        claims = jwt.decode(token, KEY, algorithms=["HS256"], audience="shop", issuer=ISSUER)
        name = claims["sub"]
        return User(username=name, scopes=SCOPES[name])
    except (jwt.InvalidTokenError, KeyError):
        raise HTTPException(
            status.HTTP_401_UNAUTHORIZED, "invalid token", headers={"WWW-Authenticate": "Bearer"}
        ) from None


CurrentUser = Annotated[User, Depends(current_user)]


def require(scope: str):
    def check(user: CurrentUser) -> None:
        if scope not in user.scopes:
            raise HTTPException(status.HTTP_403_FORBIDDEN, f"{scope} is missing")

    return Depends(check)
