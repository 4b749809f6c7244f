"""The page of `aws login` and a role that limits the age of sign-ins. The clock of this file's server moves."""

from datetime import timedelta

from tests.sso.login_scene import AUDITOR, DEVELOPER, LoginScene, Program


def test_a_role_for_younger_sign_ins_is_not_offered(login_scene: LoginScene) -> None:
    """The page lists the roles that give credentials now, and a click on an old page is refused."""
    login_scene.iam().update_role(RoleName="developer", MaxSigninSessionDuration=3_600)
    assert DEVELOPER in login_scene.authorize(Program()).text
    login_scene.server.clock.move(timedelta(minutes=55))
    page = login_scene.authorize(Program())
    assert DEVELOPER in page.text
    login_scene.server.clock.move(timedelta(minutes=6))
    assert login_scene.approve(page).status == 403
    late = login_scene.authorize(Program())
    assert DEVELOPER not in late.text
    assert login_scene.approve(late, AUDITOR).status in {200, 302, 303}
